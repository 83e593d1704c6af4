"""A canary in steps through the gateway's door: raised by evidence, held, found worse, raised after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.channel_acts import ADAPTER, NAME, canary, opened, put, served, spoil, state, traffic
from tests.gateway.conftest import House, running_house, until

NEEDED = 15
# How long requests take is up to the machine: with this alpha no chance makes a signal suspicious, far from an alarm.
SURE: dict[str, Any] = {"canary_step_requests": NEEDED, "auto_rollback_alpha": 1e-9}
_MOST = 2000


async def in_steps(house: House, number: int = 2, **more: Any) -> None:
    """Start a canary in steps."""
    await put(house, "canary/steps", release=number, **{"steps": [20, 30, 40], "reason": "slowly", **more})


def at(house: House) -> float | None:
    """The share of the canary that goes through steps, as the gateway serves it."""
    entry = house.runtime.catalog.current.entries[NAME]
    return entry.steps.weight if entry.steps is not None else None


async def asked_until(house: House, key: str, users: Iterator[int], weight: float) -> None:
    """People ask until enough is judged, and the canary has this share."""
    for _ in range(_MOST // 20):
        if at(house) == weight or (await status(house))["judged"] >= NEEDED:
            break
        await traffic(house, key, [next(users) for _ in range(20)])
    await until(lambda: at(house) == weight)


async def status(house: House) -> dict[str, Any]:
    """The steps as the status tells them."""
    (found,) = (await house.admin("GET", "/api/v1/status")).json()["canaries_in_steps"]
    return dict(found)


async def acted(house: House, what: str, **body: Any) -> None:
    """Hold the canary, let it go on, or make a step."""
    answer = await house.admin("POST", f"{ADAPTER}/canary/{what}", json={"release": 2, **body})
    assert answer.status_code == 200, answer.text


async def test_a_good_canary_goes_up_by_evidence_to_its_last_step_also_after_a_restart(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    users = count()
    async with running_house(tmp_path, *engine_at, **SURE) as house:
        key = await opened(house)
        await in_steps(house)
        assert (at(house), (await status(house))["waits_for"]) == (
            20, f"0 of {NEEDED} requests are judged on every signal, whichever tenant is left out",
        )  # fmt: skip
        await asked_until(house, key, users, 30)
        event = (await state(house))["events"][-1]
        assert (event["action"], event["actor"], event["from"], event["to"]) == ("canary", "postil", 2, 2)
        evidence = event["details"].pop("evidence")
        assert event["details"] == {"weight": 30, "steps": [20, 30, 40], "step": 2}
        assert evidence["judged"] >= evidence["needed"] == NEEDED
        assert "requests judged at 20 per cent" in event["reason"]
    async with running_house(tmp_path, *engine_at, **SURE) as house:
        await until(lambda: house.serves(NAME))
        found = await status(house)
        assert (at(house), found["step"], found["judged"]) == (30, 2, 0)
        await asked_until(house, key, users, 40)
        found = await status(house)
        assert (found["step"], found["waits_for"]) == (
            3,
            "this is the last step; promote the release, or end the canary",
        )
        assert served(house) == (1, 2)
        assert (await house.admin("GET", "/api/v1/audit")).json()["differences"] == []


async def test_a_held_canary_stays_with_all_evidence_and_goes_on_when_it_may(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_house(tmp_path, *engine_at, **SURE) as house:
        key, users = await opened(house), count()
        await in_steps(house, hold=True)
        for _ in range(_MOST // 20):
            await traffic(house, key, [next(users) for _ in range(20)])
            if (found := await status(house))["judged"] >= NEEDED:
                break
        assert (at(house), found["held"]) == (20, True)
        assert (
            found["waits_for"]
            == f"it is held; the next step is made by hand ({NEEDED} of {NEEDED} requests are judged)"
        )
        await acted(house, "next", reason="enough")
        assert at(house) == 30
        assert (await status(house))["judged"] < NEEDED
        await acted(house, "continue")
        await asked_until(house, key, users, 40)
        actors = [(event["action"], event["actor"]) for event in (await state(house))["events"][-3:]]
        assert actors == [("canary", "admin"), ("canary-continue", "admin"), ("canary", "postil")]


async def test_a_bad_canary_ends_with_its_steps(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at, canary_step_requests=_MOST) as house:
        key = await opened(house)
        await in_steps(house)
        spoil(house, 2)
        for beginning in range(0, _MOST, 20):
            await traffic(house, key, range(beginning, beginning + 20))
            if served(house) == (1, None):
                break
        await until(lambda: served(house) == (1, None))
        assert at(house) is None
        assert (await house.admin("GET", "/api/v1/status")).json()["canaries_in_steps"] == []


async def test_an_alarm_that_is_only_logged_makes_no_step_either(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], caplog: pytest.LogCaptureFixture
) -> None:
    async with running_house(tmp_path, *engine_at, canary_step_requests=1, auto_rollback=False) as house:
        key = await opened(house)
        await in_steps(house, steps=[50, 80])
        spoil(house, 2)
        # Before so many of the live release's answers were timed, nothing is judged as slow, and no step is made.
        for beginning in range(0, 100, 20):
            await traffic(house, key, range(beginning, beginning + 20))
        await until(lambda: any("is worse than" in line for line in caplog.messages))
        house.engine.reply = lambda body: Reply()
        assert (at(house), (await status(house))["waits_for"]) == (50, "an alarm stands, so that no step is made")


async def test_a_weight_by_hand_ends_the_steps_and_a_freeze_does_on_the_gateway_too(house: House) -> None:
    await opened(house)
    await in_steps(house)
    await canary(house, 2, 70)
    assert (at(house), served(house)) == (None, (1, 2))
    await in_steps(house)
    frozen = await house.admin("POST", "/api/v1/domains/healthcare/freeze", json={"reason": "an incident"})
    assert frozen.status_code == 200, frozen.text
    await until(lambda: at(house) is None)
    assert served(house) == (1, 2)
