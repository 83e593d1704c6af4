"""``postil try``: base, live release and the one before, as the gateway answers them."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.vllm import Reply
from tests.gateway.cli.in_process import in_process
from tests.gateway.conftest import FREE_TEXT, House


async def try_it(house: House, *more: str, text: str = "my head hurts", **environment: str) -> tuple[int, str, str]:
    """Run the command, by default with the admin's key."""
    if "POSTIL_KEY" in environment:
        return await in_process(None, "try", "healthcare/triage", text, *more, POSTIL_URL=house.url, **environment)
    return await in_process(house, "try", "healthcare/triage", text, *more)


async def answers(house: House, **environment: str) -> list[dict[str, Any]]:
    """What the command says to programs."""
    status, out, complaints = await try_it(house, "--json", **environment)
    assert status == 0, complaints
    return list(json.loads(out)["answers"])


async def test_the_base_the_live_release_and_the_one_before_stand_side_by_side(house: House, clinic: str) -> None:
    await house.publish("healthcare/triage", seed=1)
    house.engine.reply = lambda body: Reply(
        "It may be a cold." if body["model"] == "base" else '{"category": "symptoms"}'
    )
    base, live, before = await answers(house)
    assert (base["asked"], base["release"], base["confidence"]) == ("base", "base", None)
    assert (live["release"], before["release"]) == ("healthcare/triage@2", "healthcare/triage@1")
    assert live["answer"] == before["answer"] == '{"category": "symptoms"}'
    assert 0.9 < live["confidence"] < 1
    assert live["milliseconds"] > 0
    status, out, complaints = await try_it(house)
    assert (status, complaints) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["asked", "release", "answer", "confidence", "checks", "ms"]
    assert [line[0] for line in lines[1:]] == ["base", "live", "before"]
    assert lines[2][1:4] == ["healthcare/triage@2", '{"category":', '"symptoms"}']
    assert lines[2][-2] == "passed"


async def test_what_a_check_refused_is_told_in_place_of_a_confidence(house: House, clinic: str) -> None:
    house.engine.reply = lambda body: Reply(logprob=-3.0)
    _, live = await answers(house)
    assert (live["answer"], live["confidence"]) == ('{"category": "needs_review"}', None)
    assert live["fallback"].startswith("fixed_answer (confidence: ")
    _, out, complaints = await try_it(house)
    assert "fallback: fixed_answer (confidence: probability" in " ".join(out.split())
    assert "a release before healthcare/triage@1 is left out: there is none that is served" in complaints


async def test_a_request_that_no_release_takes_is_a_row_of_its_own(house: House) -> None:
    policy = "input: [{name: input_length, config: {max_characters: 5}}]"
    await house.publish("healthcare/triage", policy)
    await house.tenant("clinic", "healthcare")
    _, live = await answers(house)
    assert live["answer"] is None
    assert "the messages have 13 characters, and 5 are the most" in live["refused"]
    _, out, _ = await try_it(house)
    assert "refused" in out


async def test_notices_reviews_and_free_text_are_shown(house: House) -> None:
    policy = FREE_TEXT + "\ninput: [{name: emergency}]\nreviews: {}\n"
    await house.publish("healthcare/triage", policy)
    house.engine.reply = lambda body: Reply("Call now.")
    status, out, complaints = await try_it(house, text="I have chest pain and cannot breathe")
    assert status == 0, complaints
    assert "notice: " in out
    assert "a review was opened, as for any user's message" in out


async def test_what_a_key_may_not_ask_is_left_out_and_said_so(house: House, clinic: str) -> None:
    key = await house.tenant("small", "healthcare", rights=())
    status, out, complaints = await try_it(house, POSTIL_KEY=key)
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["asked", "live"]
    assert complaints.splitlines() == [
        "the base is left out: this key lacks the right `base`",
        "a release before healthcare/triage@1 is left out: there is none that is served, or the key lacks the right"
        " `numbers`",
    ]


async def test_what_cannot_be_asked_is_one_sentence(house: House, clinic: str) -> None:
    elsewhere = await house.tenant("court", "legal")
    for environment, says in (
        ({"POSTIL_KEY": elsewhere}, "healthcare/triage has no live release that this key may ask; see"),
        ({"POSTIL_KEY": "psk-none"}, "the gateway does not answer for the list of models: "),
    ):
        status, out, complaints = await try_it(house, **environment)
        assert (status, out) == (1, "")
        assert complaints.startswith(f"error: {says}")
        assert len(complaints.splitlines()) == 1
    assert (await try_it(house, text=" "))[2] == "error: the text is empty; write what a user would say\n"
    away = await in_process(None, "try", "a/b", "x", POSTIL_URL="http://127.0.0.1:9", POSTIL_KEY="k")
    assert away[2].startswith("error: no gateway answers at http://127.0.0.1:9")
