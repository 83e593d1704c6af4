"""Who is in a canary: laws of the sticky share."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.gateway.inference.routing.canary_split import place

CANARY = "healthcare/triage@7"
PEOPLE = 10_000
NAMES = st.text(min_size=1, max_size=20)


def bound(people: int, share: float) -> float:
    """How far a fair share of so many may stray: five standard deviations, passed once in two million."""
    return 5 * math.sqrt(people * share * (1 - share))


def members(weight: float, canary: str = CANARY, people: int = PEOPLE) -> set[int]:
    """Who of numbered users of one tenant is in a canary."""
    return {user for user in range(people) if place(canary, "clinic", f"user-{user}") < weight}


@given(NAMES, NAMES, st.none() | NAMES, st.integers())
@settings(deadline=None)
def test_the_place_is_always_the_same_whatever_chance_does(
    canary: str, tenant: str, user: str | None, seed: int
) -> None:
    first = place(canary, tenant, user)
    random.seed(seed)
    assert place(canary, tenant, user) == first


@given(NAMES, st.none() | NAMES, st.none() | NAMES)
@settings(deadline=None)
def test_at_100_everybody_is_in_it_and_at_0_nobody(canary: str, tenant: str | None, user: str | None) -> None:
    assert 0 <= place(canary, tenant, user) < 100


def test_more_weight_only_adds_people() -> None:
    steps = [members(weight) for weight in (1, 10, 33.3, 50, 90, 100)]
    assert all(fewer < more for fewer, more in pairwise(steps))
    assert len(steps[-1]) == PEOPLE


@pytest.mark.parametrize("weight", [0.5, 1, 5, 10, 33.3, 50, 75, 99])
def test_the_share_of_people_is_the_weight(weight: float) -> None:
    assert abs(len(members(weight)) - PEOPLE * weight / 100) < bound(PEOPLE, weight / 100)


@pytest.mark.parametrize("weight", [10, 50])
def test_the_share_of_tenants_is_the_weight_too(weight: float) -> None:
    found = sum(place(CANARY, f"tenant-{number}", None) < weight for number in range(PEOPLE))
    assert abs(found - PEOPLE * weight / 100) < bound(PEOPLE, weight / 100)


@pytest.mark.parametrize("other", ["healthcare/triage@8", "legal/clause@7", "healthcare/triage@77"])
def test_another_canary_is_tried_on_other_people(other: str) -> None:
    both = members(10) & members(10, other)
    assert abs(len(both) - PEOPLE * 0.01) < bound(PEOPLE, 0.01)


def test_users_of_one_tenant_are_told_apart_and_those_of_two_are_not_the_same() -> None:
    assert len({place(CANARY, "clinic", f"user-{user}") for user in range(100)}) == 100
    assert place(CANARY, "clinic", "ann") != place(CANARY, "bank", "ann")


def test_a_user_has_a_place_of_its_own_whatever_the_tenants_is() -> None:
    at_tenant = place(CANARY, "clinic", None)
    plugin_host = sum((place(CANARY, "clinic", f"user-{user}") < 50) != (at_tenant < 50) for user in range(PEOPLE))
    assert abs(plugin_host - PEOPLE / 2) < bound(PEOPLE, 0.5)


@given(NAMES)
@settings(deadline=None)
def test_a_user_without_a_tenant_is_sticky_too(user: str) -> None:
    assert place(CANARY, None, user) == place(CANARY, None, user)


def test_tenant_and_user_do_not_run_into_each_other() -> None:
    assert place(CANARY, "clin", "ic") != place(CANARY, "clinic", "")
    assert place("a@1", "2", None) != place("a@12", "", None)


@given(st.text(st.characters(codec=None), min_size=1, max_size=5))
@settings(deadline=None)
def test_half_of_a_pair_of_characters_is_a_name_like_any_other(user: str) -> None:
    assert place(CANARY, "clinic", user + "\ud800") == place(CANARY, "clinic", user + "\ud800")


def test_who_is_neither_a_tenant_nor_a_user_is_anywhere_at_each_request() -> None:
    random.seed(7)
    places = [place(CANARY, None, None) for _ in range(PEOPLE)]
    assert len(set(places)) == PEOPLE
    assert abs(sum(where < 10 for where in places) - PEOPLE / 10) < bound(PEOPLE, 0.1)
