"""What other people's clients send, by its symptom: one answer for all kinds of release, and never silence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.gateway.conftest import FREE_TEXT, TRIAGE, House, bearer

LABELS, FREE, HELD = "healthcare/triage", "healthcare/free", "healthcare/held"
WINDOW = "validators: [{name: blocklist, config: {phrases: [forbidden], window: 20}, on_fail: stop}]"
NO_CHECKS = "output: {labels: [symptoms, appointment, billing]}"
ASKED = [{"role": "user", "content": "a"}]
MODELS = ("base", LABELS, FREE, HELD, "healthcare/plain")


@pytest.fixture
async def key(house: House) -> str:
    """A tenant that may ask a release of each kind."""
    for seed, (name, policy) in enumerate(
        {LABELS: TRIAGE, FREE: FREE_TEXT, HELD: WINDOW, "healthcare/plain": NO_CHECKS}.items()
    ):
        await house.publish(name, policy, seed=seed)
    return await house.tenant("clinic", "healthcare")


async def refused(house: House, key: str, path: str, **body: Any) -> dict[str, Any]:
    response = await house.client.post(f"/v1/{path}", headers=bearer(key), json=body)
    assert response.status_code == 400, response.text
    return dict(response.json()["error"])


async def test_no_messages_get_no_label(house: House, key: str) -> None:
    for model in MODELS:
        error = await refused(house, key, "chat/completions", model=model, messages=[])
        assert (error["param"], error["message"]) == ("messages", "messages is empty; send at least one")
        assert (await refused(house, key, "completions", model=model, prompt=[]))["param"] == "prompt"
        assert (await refused(house, key, "completions", model=model, prompt=""))["param"] == "prompt"
    assert not house.engine.requests


OLD = {
    "guided_choice": (["a", "b"], "structured_outputs.choice"),
    "guided_json": ({"type": "object"}, "structured_outputs.json"),
    "guided_regex": ("a+", "structured_outputs.regex"),
    "guided_grammar": ('root ::= "a"', "structured_outputs.grammar"),
    "guided_whitespace_pattern": (" ", "structured_outputs.whitespace_pattern"),
    "guided_decoding_backend": ("outlines", "structured_outputs"),
}


async def test_vllms_old_names_of_constraints_are_not_ignored_in_silence(house: House, key: str) -> None:
    texts: dict[str, dict[str, Any]] = {"chat/completions": {"messages": ASKED}, "completions": {"prompt": "a"}}
    for model in MODELS:
        for path, text in texts.items():
            for old, (value, new) in OLD.items():
                error = await refused(house, key, path, model=model, **text, **{old: value})
                assert error["param"] == old
                assert error["message"].endswith(f"is not a field of /v1/{path}; send `{new}`")
    assert not house.engine.requests


async def test_a_field_that_vllm_does_not_know_is_said(house: House, key: str) -> None:
    for model in MODELS:
        error = await refused(house, key, "chat/completions", model=model, messages=ASKED, top_kk=3)
        assert (error["param"], "did you mean `top_k`?" in error["message"]) == ("top_kk", True)


async def test_multiple_choice_of_lm_eval_is_not_answered_with_the_fallback(house: House, key: str) -> None:
    body = {"max_tokens": 1, "echo": True, "temperature": 0, "seed": 1234}
    prompts: list[Any] = ["is it symptoms", [[1, 2, 3], [4, 5]]]
    for model in (LABELS, HELD, FREE):
        for prompt in prompts:
            error = await refused(house, key, "completions", model=model, prompt=prompt, logprobs=1, **body)
            assert error["param"] == "echo"
        error = await refused(house, key, "completions", model=model, prompt="a", **body)
        assert error["message"].endswith(f"the policy of {model}@1 fixes; leave it out, or ask `base`")
    assert not house.engine.requests


async def test_a_text_completion_is_told_that_the_policys_prompt_is_left_out(house: House, key: str) -> None:
    for model in MODELS:
        body = {"model": model, "prompt": "my head hurts"}
        told = await house.client.post("/v1/completions", headers=bearer(key), json=body)
        left_out = "left out" if model in (LABELS, FREE) else None
        assert (told.status_code, told.headers.get("x-postil-system-prompt")) == (200, left_out)
        assert house.engine.requests[-1]["prompt"] == "my head hurts"
        assert "x-postil-system-prompt" not in (await house.ask(key, model=model)).headers
        streamed = await house.client.post("/v1/completions", headers=bearer(key), json={**body, "stream": True})
        assert streamed.headers.get("x-postil-system-prompt") == left_out


@pytest.mark.parametrize(
    ("path", "text"),
    [("chat/completions", {"messages": ASKED}), ("completions", {"prompt": "a"})],
    ids=["chat", "text"],
)
async def test_counts_along_a_stream_are_given_by_every_kind_of_release(
    house: House, key: str, path: str, text: dict[str, Any]
) -> None:
    async def events(model: str, **options: bool) -> list[Any]:
        body = {"model": model, **text, "stream": True, "stream_options": options}
        answer = await house.client.post(f"/v1/{path}", headers=bearer(key), json=body)
        lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
        assert lines[-1] == "[DONE]"
        return [json.loads(line) for line in lines[:-1]]

    for model in MODELS:
        along = await events(model, include_usage=True, continuous_usage_stats=True)
        assert all(event["usage"]["total_tokens"] >= 3 for event in along)
        assert along[-1]["choices"] == []
        total = await events(model, include_usage=True)
        assert {json.dumps(event.get("usage")) for event in total[:-1]} == {"null"}
        assert total[-1]["usage"] == along[-1]["usage"]
        assert all("usage" not in event for event in await events(model, continuous_usage_stats=True))


async def test_stream_options_without_a_stream_are_ignored_by_every_kind_of_release(house: House, key: str) -> None:
    for model in MODELS:
        for options in ({"include_usage": True}, {"continuous_usage_stats": True}, {}):
            for stream in ({}, {"stream": False}, {"stream": None}):
                assert (await house.ask(key, model=model, stream_options=options, **stream)).status_code == 200
                assert "stream_options" not in house.engine.requests[-1]
