"""Canaries and what ends them, through the whole gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.gateway.channel_acts import (
    ADAPTER,
    NAME,
    canary,
    damage,
    inside,
    loaded,
    move,
    opened,
    put,
    served,
    shadow,
    state,
    traffic,
)
from tests.gateway.conftest import FREE_TEXT, House, bearer, until
from tests.gateway.inference.routing.test_canary_split import bound

PEOPLE = range(200)
ONE, TWO = f"{NAME}@1", f"{NAME}@2"


@pytest.fixture
async def clinic(house: House) -> str:
    """Three releases, the first live, and a tenant."""
    return await opened(house, 3)


async def tried_by(house: House, key: str, **body: Any) -> set[int]:
    """Which of the users the canary answers."""
    answers = await traffic(house, key, PEOPLE, **body)
    assert set(answers) <= {ONE, TWO}
    return {user for user, release in zip(PEOPLE, answers, strict=True) if release == TWO}


async def test_a_canary_answers_its_share_and_always_the_same_people(house: House, clinic: str) -> None:
    await canary(house, 2, 25)
    first = await tried_by(house, clinic)
    assert abs(len(first) - len(PEOPLE) / 4) < bound(len(PEOPLE), 0.25)
    assert await tried_by(house, clinic) == first


async def test_raising_the_weight_never_moves_anybody_back(house: House, clinic: str) -> None:
    before = set[int]()
    for weight in (10, 50, 100):
        await canary(house, 2, weight)
        now = await tried_by(house, clinic)
        assert before < now
        before = now
    assert before == set(PEOPLE)


async def test_the_answer_says_from_which_release_and_channel_it_is(house: House, clinic: str) -> None:
    stable = await house.ask(clinic)
    assert (stable.headers["x-postil-release"], stable.headers.get("x-postil-channel")) == (ONE, None)
    await canary(house, 2, 100)
    tried = await house.ask(clinic)
    assert (tried.headers["x-postil-release"], tried.headers["x-postil-channel"]) == (TWO, "canary")
    assert tried.json()["model"] == NAME
    asked = await house.ask(clinic, model=ONE)
    assert (asked.headers["x-postil-release"], asked.headers.get("x-postil-channel")) == (ONE, None)


async def test_streams_and_text_completions_are_split_like_everything_else(house: House) -> None:
    key = await opened(house, 2, FREE_TEXT)
    await canary(house, 2, 50)
    asked = await tried_by(house, key)
    assert await tried_by(house, key, stream=True) == asked
    for user in PEOPLE[:20]:
        body = {"model": "healthcare", "prompt": "hello", "user": f"user-{user}"}
        response = await house.client.post("/v1/completions", headers=bearer(key), json=body)
        assert (response.headers["x-postil-release"] == TWO) == (user in asked)


async def test_a_stream_of_the_canary_is_whole_and_says_where_it_is_from(house: House) -> None:
    key = await opened(house, 2, FREE_TEXT)
    await canary(house, 2, 100)
    response = await house.ask(key, stream=True)
    assert (response.headers["x-postil-release"], response.headers["x-postil-channel"]) == (TWO, "canary")
    assert response.text.endswith("data: [DONE]\n\n")
    assert "postil-" not in response.text


async def test_the_canary_brings_its_behaviour_along(house: House) -> None:
    await house.publish(NAME, "system_prompt: Old.")
    await house.publish(NAME, "system_prompt: New.", seed=1, live=False)
    key = await house.tenant("clinic", "healthcare")
    await canary(house, 2, 100)
    await house.ask(key)
    sent = house.engine.requests[-1]
    assert (sent["model"], sent["messages"][0]["content"]) == (inside(house, 2), "New.")


async def test_a_request_in_flight_ends_on_the_canary_it_began_with(house: House, clinic: str) -> None:
    await canary(house, 2, 100)
    house.engine.requests.clear()
    house.engine.gate.clear()
    asking = asyncio.create_task(house.ask(clinic))
    await until(lambda: len(house.engine.requests) == 1)
    assert (await house.admin("DELETE", f"{ADAPTER}/channels/canary")).status_code == 200
    house.engine.gate.set()
    assert (await asking).headers["x-postil-release"] == TWO
    assert (await house.ask(clinic)).headers["x-postil-release"] == ONE


async def test_a_canary_is_loaded_before_it_is_one(house: House, clinic: str) -> None:
    assert inside(house, 2) not in house.engine.adapters
    await canary(house, 2, 1)
    assert inside(house, 2) in house.engine.adapters
    assert await loaded(house) == {ONE: True, TWO: True}


async def test_a_release_that_cannot_be_loaded_does_not_become_a_canary(house: House, clinic: str) -> None:
    house.engine.refuse_load = "no place left"
    before = await state(house)
    response = await house.admin("PUT", f"{ADAPTER}/channels/canary", json={"release": 2, "weight": 10})
    assert response.status_code == 422
    assert "no place left" in response.json()["detail"]
    assert await state(house) == before


async def test_the_end_of_a_canary_gives_everybody_back(house: House, clinic: str) -> None:
    await canary(house, 2, 100)
    response = await house.admin("DELETE", f"{ADAPTER}/channels/canary", params={"reason": "seen enough"})
    assert response.json()["canary"] is None
    assert await tried_by(house, clinic) == set()
    event = (await state(house))["events"][-1]
    assert (event["action"], event["from"], event["to"], event["reason"]) == ("canary-end", 2, None, "seen enough")
    assert event["details"] == {"weight": 100}
    assert (await house.admin("DELETE", f"{ADAPTER}/channels/canary")).status_code == 404


async def test_a_canary_that_is_promoted_is_stable_for_all_and_no_canary_any_more(house: House, clinic: str) -> None:
    await canary(house, 2, 10)
    await move(house, "promote", 2)
    assert await tried_by(house, clinic) == set(PEOPLE)
    assert served(house) == (2, None)
    found = await state(house)
    assert [event["action"] for event in found["events"]][-2:] == ["canary-end", "promote"]
    assert "x-postil-channel" not in (await house.ask(clinic)).headers


async def test_a_shadow_changes_nobodys_answer(house: House, clinic: str) -> None:
    await shadow(house, 2, 100)
    assert await tried_by(house, clinic) == set()


def is_damaged(house: House) -> None:
    """The artifact was changed on the disk."""
    damage(house, 2)


def is_refused(house: House) -> None:
    """The engine will not take it any more."""
    house.engine.adapters.pop(inside(house, 2))
    house.engine.refuse_load = "no place left"


def is_unreadable(house: House) -> None:
    """The disk does not give the file."""
    damage(house, 2)
    release = house.runtime.catalog.current.entries[NAME].releases[2]
    folder = house.folder / "home" / "artifacts" / "sha256" / release.artifact.removeprefix("sha256:")
    (folder / "adapter_config.json").unlink()
    (folder / "adapter_config.json").mkdir()


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("broken", [is_damaged, is_refused, is_unreadable])
async def test_a_broken_canary_never_fails_a_request(
    house: House, clinic: str, broken: Callable[[House], None], known: bool
) -> None:
    await canary(house, 2, 100)
    broken(house)
    if known:  # Else the gateway finds out when the engine says that there is no such adapter.
        house.runtime.engine.ready()[1].evict(inside(house, 2))
    for stream in (False, True):
        response = await house.ask(clinic, stream=stream)
        assert response.status_code == 200
        assert response.headers["x-postil-release"] == ONE
        assert "x-postil-channel" not in response.headers


async def test_what_fails_on_both_ways_is_held_against_both(house: House, clinic: str) -> None:
    await canary(house, 2, 100)
    house.runtime.engine.ready()[1].evict()
    house.engine.adapters.clear()
    house.engine.refuse_load = "no place left"
    response = await house.ask(clinic)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "engine_unavailable")
    assert "healthcare/triage@1 cannot be loaded now" in response.text
    (watch,) = (await house.admin("GET", "/api/v1/status")).json()["comparisons"]
    (errors,) = (signal for signal in watch["evidence"] if signal["signal"] == "engine errors")
    counts = [errors[f"{which}_{what}"] for which in ("candidate", "baseline") for what in ("failures", "total")]
    assert counts == [1, 1, 1, 1]


async def test_where_the_engine_lost_the_canary_it_is_loaded_again(house: House, clinic: str) -> None:
    await canary(house, 2, 100)
    house.engine.adapters.clear()
    assert (await house.ask(clinic)).headers["x-postil-release"] == TWO
    assert set(house.engine.adapters) == {inside(house, 2)}


@pytest.mark.parametrize(
    ("action", "body", "would_be"),
    [("promote", {"release": 2}, TWO), ("rollback", {}, ONE), ("rollback", {"to": 1}, ONE)],
)
async def test_a_dry_run_says_what_would_be_live_and_changes_nothing(
    house: House, clinic: str, action: str, body: dict[str, Any], would_be: str
) -> None:
    if action == "rollback":
        await move(house, "promote", 3)
    await canary(house, 2, 50)
    before = await state(house)
    response = await house.admin("POST", f"{ADAPTER}/{action}", json={**body, "dry_run": True, "reason": "what if"})
    assert response.status_code == 200
    assert response.json() == {**before, "would_be_live": would_be}
    assert await state(house) == before
    assert served(house) == (before["live"], 2)


async def test_a_dry_run_finds_what_would_stand_in_the_way(house: House, clinic: str) -> None:
    house.engine.refuse_load = "no place left"
    for action, body, status, says in (
        ("promote", {"release": 2}, 422, "no place left"),
        ("promote", {"release": 1}, 409, "is live already"),
        ("promote", {"release": 9}, 404, "there is no release"),
        ("rollback", {}, 409, "no earlier live release"),
        ("promote", {"release": 2, "if_revision": 7}, 422, "no place left"),
    ):
        response = await house.admin("POST", f"{ADAPTER}/{action}", json={**body, "dry_run": True})
        assert (response.status_code, says in response.json()["detail"]) == (status, True), response.text


async def test_whoever_saw_an_older_state_is_told_who_moved_it_since(house: House, clinic: str) -> None:
    revision = (await state(house))["revision"]
    headers = {**bearer(house.admin_key), "x-postil-actor": "bob"}
    await house.client.post(f"{ADAPTER}/promote", headers=headers, json={"release": 2, "if_revision": revision})
    response = await house.admin("POST", f"{ADAPTER}/promote", json={"release": 3, "if_revision": revision})
    assert response.status_code == 409
    assert response.json()["detail"] == (
        "stable of healthcare/triage points to healthcare/triage@2 by now (promote by bob); look at it and decide again"
    )
    await put(house, "channels/canary", release=3, weight=10, if_revision=0)
    body = {"release": 3, "weight": 50, "if_revision": 0}
    response = await house.admin("PUT", f"{ADAPTER}/channels/canary", json=body)
    assert response.status_code == 409
    assert (await state(house))["canary"]["weight"] == 10


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("channels/canary", {"release": 2, "weight": 0}, 400, "a weight of 0 per cent cannot be"),
        ("channels/canary", {"release": 2, "weight": 101}, 400, "at most 100"),
        ("channels/canary", {"release": 1, "weight": 10}, 409, "is live already"),
        ("channels/canary", {"release": 9, "weight": 10}, 404, "there is no release"),
        ("channels/canary", {"release": 2}, 400, "weight"),
        ("channels/stable", {"release": 2, "weight": 10}, 404, "there are canary and shadow"),
        ("channels/other", {"release": 2, "weight": 10}, 404, "there is no channel 'other' to set"),
        ("pins/clinic", {"release": 9}, 404, "there is no release"),
    ],
)
async def test_what_cannot_be_is_refused_with_a_sentence(
    house: House, clinic: str, path: str, body: dict[str, Any], status: int, says: str
) -> None:
    before = await state(house)
    response = await house.admin("PUT", f"{ADAPTER}/{path}", json=body)
    assert (response.status_code, says in response.json()["detail"]) == (status, True), response.text
    assert await state(house) == before
