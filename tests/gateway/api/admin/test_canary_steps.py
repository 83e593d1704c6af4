"""Canaries in steps over the API: what an adapter shows, and what is refused with a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.channel_acts import ADAPTER, canary, opened, put, state
from tests.gateway.conftest import House


@pytest.fixture
async def clinic(house: House) -> str:
    """Three releases, the first live, the second a canary in steps, and a tenant."""
    key = await opened(house, 3)
    await put(house, "canary/steps", release=2, steps=[5, 25, 50])
    return key


async def test_an_adapter_shows_its_steps_alone_and_in_a_list(house: House, clinic: str) -> None:
    shown = {"steps": [5, 25, 50], "step": 1, "held": False}
    found = (await state(house))["canary"]
    assert (found["release"], found["weight"], found["steps"]) == (2, 5, shown)
    (row,) = (await house.admin("GET", "/api/v1/adapters")).json()["data"]
    assert row["canary"]["steps"] == shown
    answer = await house.admin("POST", f"{ADAPTER}/canary/hold", json={"release": 2, "reason": "a holiday"})
    assert answer.json()["canary"]["steps"] == {**shown, "held": True}
    answer = await house.admin("POST", f"{ADAPTER}/canary/next", json={"release": 2})
    assert answer.json()["canary"]["steps"] == {**shown, "step": 2, "held": True}
    await canary(house, 2, 60)
    assert (await state(house))["canary"]["steps"] is None
    await put(house, "channels/shadow", release=3, weight=10)
    assert (await state(house))["shadow"]["steps"] is None


REFUSED: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("PUT", "steps", {"release": 3, "steps": [25, 5]}, 422, "steps have to rise"),
    ("PUT", "steps", {"release": 3, "steps": [50, 100]}, 400, "a step of 100 per cent cannot be"),
    ("PUT", "steps", {"release": 3, "steps": [1e308]}, 400, "cannot be"),
    ("PUT", "steps", {"release": 3, "steps": list(range(1, 99))}, 400, "1 to 10 steps, not 98"),
    ("PUT", "steps", {"release": 3, "steps": []}, 400, "not 0"),
    ("PUT", "steps", {"release": 3, "steps": "5,25"}, 400, "steps"),
    ("PUT", "steps", {"release": 3}, 400, "steps"),
    ("PUT", "steps", {"release": 1, "steps": [5]}, 409, "is live already"),
    ("PUT", "steps", {"release": 9, "steps": [5]}, 404, "there is no release"),
    ("PUT", "steps", {"release": 2, "steps": [5, 25, 50]}, 409, "goes through these steps already"),
    ("PUT", "steps", {"release": 3, "steps": [5], "if_revision": 0}, 409, "look at it and decide again"),
    ("POST", "next", {"release": 3}, 409, "the canary of healthcare/triage is healthcare/triage@2"),
    ("POST", "next", {"release": 2, "if_revision": 0}, 409, "look at it and decide again"),
    ("POST", "hold", {"release": 9}, 404, "there is no release"),
    ("POST", "hold", {"release": 2, "if_revision": 0}, 409, "look at it and decide again"),
    ("POST", "continue", {"release": 2}, 409, "is not held"),
    ("POST", "continue", {"release": 2, "held": True}, 400, "held"),
]


async def test_what_cannot_be_is_refused_with_a_sentence(house: House, clinic: str) -> None:
    before = await state(house)
    for method, path, body, status, says in REFUSED:
        response = await house.admin(method, f"{ADAPTER}/canary/{path}", json=body)
        assert (response.status_code, says in response.json()["detail"]) == (status, True), (body, response.text)
    assert await state(house) == before
