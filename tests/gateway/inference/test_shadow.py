"""Shadows: they get copies, nobody sees what they say, and what they say is compared."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.channel_acts import (
    ADAPTER,
    NAME,
    agreement,
    canary,
    damage,
    inside,
    mend,
    move,
    opened,
    shadow,
    traffic,
)
from tests.gateway.conftest import FREE_TEXT, TRIAGE, House, bearer, running_house, until

NOTHING = {"compared": 0, "agreed": 0, "failed": 0, "skipped": 0}
STRICT = "output: {labels: [symptoms]}\nvalidators: [{name: labels}]"


@pytest.fixture
async def clinic(house: House) -> str:
    """A live release, a shadow that gets a copy of everything, and a tenant."""
    key = await opened(house)
    await shadow(house, 2)
    house.engine.requests.clear()
    return key


def says(house: House, ours: str, theirs: str) -> None:
    """What stable answers, and what the shadow does."""
    hidden = inside(house, 2)
    house.engine.reply = lambda body: Reply(theirs if body["model"] == hidden else ours)


def copies(house: House) -> list[dict[str, Any]]:
    """What the engine was asked in the shadow's name."""
    return [body for body in house.engine.requests if body["model"] == inside(house, 2)]


async def counted(house: House, **counts: int) -> None:
    """Wait until so much is counted, all else being nothing."""
    wanted = {"answered": f"{NAME}@1", "shadow": f"{NAME}@2", **NOTHING, **counts}
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while found != [wanted]:
            found = await agreement(house)
            assert all(row[what] <= wanted[what] for row in found for what in NOTHING), found


async def test_a_shadow_gets_a_copy_of_what_was_asked_and_nobody_sees_its_answer(house: House, clinic: str) -> None:
    says(house, '{"category": "symptoms"}', '{"category": "billing"}')
    response = await house.ask(clinic, "my head hurts", user="ann")
    assert response.headers["x-postil-release"] == f"{NAME}@1"
    assert "x-postil-channel" not in response.headers
    assert json.loads(response.json()["choices"][0]["message"]["content"]) == {"category": "symptoms"}
    await counted(house, compared=1)
    ours, theirs = house.engine.requests
    assert ours["model"] != theirs["model"] == inside(house, 2)
    assert theirs["messages"] == ours["messages"]
    assert theirs["cache_salt"] != ours["cache_salt"]


@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"),
    [
        ("yes", "yes", 1), (" yes\n", "yes", 1), ("yes", "no", 0), ("", "no", 0), ("", "", 1),
        ('{"a": 1, "b": [2]}', '{"b":[2],"a":1}', 1), ('{"a": 1}', '{"a": 2}', 0), ('{"a": 1}', "a: 1", 0),
    ],
)  # fmt: skip
async def test_the_same_text_or_the_same_json_agrees(house: House, ours: str, theirs: str, agreed: int) -> None:
    key = await opened(house, 2, FREE_TEXT)
    await shadow(house, 2)
    says(house, ours, theirs)
    await house.ask(key)
    await counted(house, compared=1, agreed=agreed)


async def test_a_stream_is_compared_with_a_whole_answer(house: House) -> None:
    key = await opened(house, 2, FREE_TEXT)
    await shadow(house, 2)
    house.engine.requests.clear()
    says(house, "one two three", "one two three")
    response = await house.ask(key, stream=True, stream_options={"include_usage": True})
    assert response.text.endswith("data: [DONE]\n\n")
    await counted(house, compared=1, agreed=1)
    (copy,) = copies(house)
    assert "stream" not in copy
    assert "stream_options" not in copy


async def test_a_judged_stream_of_several_answers_is_compared_choice_by_choice(house: House, clinic: str) -> None:
    await house.ask(clinic, stream=True, n=3)
    await counted(house, compared=1, agreed=1)
    assert copies(house)[0]["n"] == 3
    says(house, '{"category": "symptoms"}', '{"category": "billing"}')
    await house.ask(clinic, n=2)
    await counted(house, compared=2, agreed=1)


@pytest.mark.parametrize("stream", [False, True])
async def test_text_completions_are_copied_too(house: House, stream: bool) -> None:
    key = await opened(house, 2, FREE_TEXT)
    await shadow(house, 2)
    says(house, "one two", "one two")
    body = {"model": "healthcare", "prompt": "count", "stream": stream}
    assert (await house.client.post("/v1/completions", headers=bearer(key), json=body)).status_code == 200
    await counted(house, compared=1, agreed=1)
    says(house, "one two", "three")
    await house.client.post("/v1/completions", headers=bearer(key), json=body)
    await counted(house, compared=2, agreed=1)


async def test_what_the_shadow_would_serve_is_compared_and_not_what_it_said_first(house: House, clinic: str) -> None:
    needs_review = '{"category": "needs_review"}'
    says(house, "nonsense", "other nonsense")
    response = await house.ask(clinic)
    assert response.json()["choices"][0]["message"]["content"] == needs_review
    await counted(house, compared=1, agreed=1)


async def test_a_shadow_that_cannot_answer_is_counted_as_failed(house: House, clinic: str) -> None:
    damage(house, 2)
    assert (await house.ask(clinic)).status_code == 200
    await counted(house, failed=1)


async def test_a_shadow_whose_policy_refuses_what_it_says_is_counted_as_failed(house: House) -> None:
    await house.publish(NAME, TRIAGE)
    await house.publish(NAME, STRICT, seed=1, live=False)
    key = await house.tenant("clinic", "healthcare")
    await shadow(house, 2)
    says(house, '{"category": "symptoms"}', "nonsense")
    assert (await house.ask(key)).status_code == 200
    await counted(house, failed=1)


async def test_a_shadow_that_hangs_holds_up_nobody_and_only_so_many_copies_wait(house: House, clinic: str) -> None:
    hidden = inside(house, 2)
    house.engine.held = lambda body: bool(body["model"] == hidden)
    house.engine.gate.clear()
    assert await traffic(house, clinic, range(10)) == [f"{NAME}@1"] * 10
    await until(lambda: len(copies(house)) == 2)
    await counted(house, skipped=8)
    house.engine.gate.set()
    await counted(house, compared=2, agreed=2, skipped=8)
    await traffic(house, clinic, [10])
    await counted(house, compared=3, agreed=3, skipped=8)
    assert len(copies(house)) == 3


async def test_the_copy_is_sent_after_the_answer(house: House, clinic: str) -> None:
    house.engine.gate.clear()
    asking = asyncio.create_task(house.ask(clinic))
    await until(lambda: len(house.engine.requests) == 1)
    assert copies(house) == []
    house.engine.gate.set()
    assert (await asking).status_code == 200
    await counted(house, compared=1, agreed=1)
    assert len(copies(house)) == 1


async def test_what_was_counted_is_there_after_a_stop_although_a_copy_hangs(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_house(tmp_path, *engine_at) as house:
        key = await opened(house)
        await shadow(house, 2)
        await traffic(house, key, [1])
        await counted(house, compared=1, agreed=1)
        hidden = inside(house, 2)
        house.engine.held = lambda body: bool(body["model"] == hidden)
        house.engine.gate.clear()
        await traffic(house, key, range(5))
    house.engine.gate.set()
    async with running_house(tmp_path, *engine_at) as house:
        await counted(house, compared=1, agreed=1, skipped=3)


async def only_this_one(house: House, key: str) -> None:
    """Of all that was asked so far nothing was copied: a request now makes the first copy."""
    await traffic(house, key, [1])
    await counted(house, compared=1, agreed=1)
    assert len(copies(house)) == 1


def nothing(house: House) -> None:
    """All is well."""


def engine_fails(house: House) -> None:
    """The engine breaks off."""
    house.engine.break_off_after = 1


def stable_is_damaged(house: House) -> None:
    """What is live cannot be loaded."""
    damage(house, 1)
    house.runtime.engine.ready()[1].evict(inside(house, 1))


@pytest.mark.parametrize(
    ("breaks", "body", "status"),
    [
        (stable_is_damaged, {}, 503),
        (engine_fails, {"stream": True}, 200),
        (nothing, {"messages": 3}, 400),
        (nothing, {"model": "healthcare/triage@9"}, 404),
        (nothing, {"model": f"{NAME}@1"}, 200),
        (nothing, {"model": "base"}, 200),
    ],
)
async def test_what_failed_or_was_asked_of_another_is_not_copied(
    house: House, breaks: Callable[[House], None], body: dict[str, Any], status: int
) -> None:
    key = await opened(house, 2, FREE_TEXT)
    await shadow(house, 2)
    house.engine.requests.clear()
    breaks(house)
    assert (await house.ask(key, **body)).status_code == status
    house.engine.break_off_after = None
    if breaks is stable_is_damaged:
        mend(house, 1)
    await only_this_one(house, key)


async def test_an_answer_that_no_fallback_could_save_is_not_copied(house: House) -> None:
    await house.publish(NAME, STRICT)
    await house.publish(NAME, seed=1, live=False)
    key = await house.tenant("clinic", "healthcare")
    await shadow(house, 2)
    house.engine.requests.clear()
    says(house, "nonsense", '{"category": "symptoms"}')
    assert (await house.ask(key)).status_code == 502
    house.engine.reply = lambda body: Reply()
    await only_this_one(house, key)


async def test_a_client_that_leaves_in_the_middle_leaves_no_copy(house: House) -> None:
    key = await opened(house, 2, FREE_TEXT)
    await shadow(house, 2)
    house.engine.requests.clear()
    house.engine.reply = lambda body: Reply("word " * 500)
    house.engine.pace_seconds = 0.005
    body = {"messages": [], "stream": True}
    async with house.client.stream("POST", "/v1/chat/completions", headers=bearer(key), json=body) as response:
        await anext(response.aiter_bytes())
    await until(lambda: house.runtime.traffic.in_flight == 0)
    house.engine.reply, house.engine.pace_seconds = (lambda body: Reply()), 0
    await only_this_one(house, key)


async def test_what_a_canary_answers_is_not_copied(house: House, clinic: str) -> None:
    await house.publish(NAME, seed=3, live=False)
    await canary(house, 3, 100)
    assert await traffic(house, clinic, range(5)) == [f"{NAME}@3"] * 5
    await house.admin("DELETE", f"{ADAPTER}/channels/canary")
    house.engine.requests.clear()
    await only_this_one(house, clinic)


async def test_a_shadow_that_has_ended_or_become_live_gets_no_more_copies(house: House, clinic: str) -> None:
    await house.admin("DELETE", f"{ADAPTER}/channels/shadow")
    await traffic(house, clinic, range(3))
    await shadow(house, 2)
    await only_this_one(house, clinic)
    await move(house, "promote", 2)
    house.engine.requests.clear()
    await traffic(house, clinic, range(3))
    assert len(copies(house)) == 3  # Those are its own answers.
    await counted(house, compared=1, agreed=1)
