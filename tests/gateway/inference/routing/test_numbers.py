"""Tenants ask what a channel or their pin points to; other releases only with the right ``numbers``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.channel_acts import ADAPTER, NAME, canary, move, opened, pin, shadow
from tests.gateway.conftest import House, bearer


@pytest.fixture
async def clinic(house: House) -> str:
    """Four releases: 1 was taken back, 2 is live, 3 and 4 were never promoted; and a tenant."""
    key = await opened(house, 4)
    await move(house, "promote", 2)
    return key


async def callable_numbers(house: House, key: str) -> set[int]:
    """The releases that a key gets by their numbers; all others look as if they were not there."""
    found = set()
    for number in range(1, 6):
        answer = await house.ask(key, model=f"{NAME}@{number}")
        if answer.status_code == 200:
            assert answer.headers["x-postil-release"] == f"{NAME}@{number}"
            found.add(number)
        else:
            assert answer.status_code == 404
            assert answer.json()["error"]["message"] == (
                f"the model '{NAME}@{number}' does not exist; GET /v1/models lists those there are"
            )
    models = (await house.client.get("/v1/models", headers=bearer(key))).json()["data"]
    assert {int(card["id"].partition("@")[2]) for card in models if "@" in card["id"]} == found
    return found


async def test_what_was_taken_back_and_what_was_never_promoted_is_not_callable_by_number(
    house: House, clinic: str
) -> None:
    assert await callable_numbers(house, clinic) == {2}
    await move(house, "rollback", 1)
    assert await callable_numbers(house, clinic) == {1}


async def test_a_canary_is_callable_and_a_shadow_is_not(house: House, clinic: str) -> None:
    await canary(house, 3)
    await shadow(house, 4)
    assert await callable_numbers(house, clinic) == {2, 3}


async def test_a_shadow_still_gets_its_copies(house: House, clinic: str) -> None:
    await shadow(house, 4)
    await house.ask(clinic, model=NAME)
    rows: list[dict[str, Any]] = []
    while not rows:
        rows = (await house.admin("GET", f"{ADAPTER}/agreement")).json()["data"]
    assert (rows[0]["shadow"], rows[0]["compared"]) == (f"{NAME}@4", 1)


async def test_a_pin_cannot_be_left_by_naming_another_number(house: House, clinic: str) -> None:
    await pin(house, "clinic", 3)
    await canary(house, 4)
    assert await callable_numbers(house, clinic) == {3}
    other = await house.tenant("other", "healthcare")
    assert await callable_numbers(house, other) == {2, 4}


async def test_with_the_right_every_number_is_callable_but_what_is_retired_or_yanked(house: House, clinic: str) -> None:
    key = await house.tenant("lab", "healthcare", rights=["numbers"])
    assert await callable_numbers(house, key) == {1, 2, 3, 4}
    await house.admin("POST", f"{ADAPTER}/releases/3/retire", json={})
    await house.admin("POST", f"{ADAPTER}/releases/4/yank", json={"reason": "it harms"})
    assert await callable_numbers(house, key) == {1, 2}
    assert await callable_numbers(house, house.admin_key) == {1, 2}


async def test_a_tenant_that_is_pinned_to_a_retired_release_may_name_it(house: House, clinic: str) -> None:
    await pin(house, "clinic", 3)
    await house.admin("POST", f"{ADAPTER}/releases/3/retire", json={})
    assert await callable_numbers(house, clinic) == {3}
