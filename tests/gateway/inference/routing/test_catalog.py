"""Which release answers whom: laws of the way through one adapter's entry."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.gateway.errors import EngineUnavailableError, UnknownModelError
from postil.gateway.inference.routing.catalog import AdapterEntry, Route, TrafficShare
from postil.gateway.inference.routing.release import LoadedRelease, load_release, release_spec
from postil.gateway.tenancy.directory import Caller
from postil.plugins.manager import PluginManager
from postil.registry.accounts.rights import Right
from postil.registry.db.tables import Release
from postil.registry.names import AdapterName
from postil.registry.policy.digest import digest_of
from tests.gateway.inference.routing.test_canary_split import PEOPLE, bound

TRIAGE = AdapterName("healthcare", "triage")
CLINIC = Caller("clinic", frozenset({"healthcare"}), "healthcare")
LAB = Caller("clinic", frozenset({"healthcare"}), "healthcare", rights=frozenset({Right.NUMBERS}))
ADMIN = Caller("admin", frozenset(), admin=True)
NAMES = st.text(min_size=1, max_size=20)
WEIGHTS = st.floats(0, 100, exclude_min=True)


def loaded(number: int) -> LoadedRelease:
    """A release with an empty policy."""
    release = Release(
        domain=TRIAGE.domain, adapter=TRIAGE.adapter, number=number, artifact=f"sha256:{number:064}", base_id="",
        base_revision="", policy={}, policy_digest=digest_of({}), validators={}, note="", actor="",
    )  # fmt: skip
    return load_release(release_spec(release), PluginManager(entry_points=False))


RELEASES = {number: loaded(number) for number in (1, 2, 3, 4)}


def entry(
    canary: float = 0, shadow: float = 0, pins: Mapping[str, int] | None = None, broken: Mapping[int, str] | None = None
) -> AdapterEntry:
    """Release 1 is live; 2 is the canary and 3 the shadow, if they have a weight; 4 is only there."""
    releases = {number: release for number, release in RELEASES.items() if number not in (broken or {})}
    return AdapterEntry(
        TRIAGE, releases, broken or {}, 1, canary=TrafficShare(2, canary) if canary else None,
        shadow=TrafficShare(3, shadow) if shadow else None, pins=pins or {},
    )  # fmt: skip


def way(route: Route) -> tuple[int, str]:
    """The release that answers, and why."""
    return route.release.ref.number, route.reason


@given(NAMES, NAMES, WEIGHTS, WEIGHTS)
@settings(deadline=None)
def test_who_is_in_the_canary_stays_in_it_when_its_weight_is_raised(
    tenant: str, user: str, one: float, two: float
) -> None:
    low, high = sorted((one, two))
    caller = Caller(tenant, frozenset({"healthcare"}))
    before, after = (way(entry(weight).route(None, caller, user)) for weight in (low, high))
    assert before == after or (before, after) == ((1, "stable"), (2, "canary"))


@given(NAMES, st.none() | NAMES, WEIGHTS, st.integers())
@settings(deadline=None)
def test_the_same_caller_gets_the_same_release_every_time(
    tenant: str, user: str | None, weight: float, seed: int
) -> None:
    caller, tried = Caller(tenant, frozenset({"healthcare"})), entry(weight)
    first = way(tried.route(None, caller, user))
    random.seed(seed)
    assert {way(tried.route(None, caller, user)) for _ in range(5)} == {first}


def test_at_its_full_weight_the_canary_answers_everybody() -> None:
    assert {way(entry(100).route(None, CLINIC, f"user-{user}")) for user in range(1000)} == {(2, "canary")}


def test_stable_answers_if_a_canary_cannot_be_loaded() -> None:
    route = entry(100).route(None, CLINIC, "ann")
    assert route.otherwise is RELEASES[1]
    assert entry().route(None, CLINIC, "ann").otherwise is None


def test_the_user_counts_before_the_tenant() -> None:
    found = {way(entry(50).route(None, CLINIC, f"user-{user}"))[1] for user in range(100)}
    assert found == {"canary", "stable"}
    assert len({way(entry(50).route(None, CLINIC, None))[1] for _ in range(100)}) == 1


def test_the_admin_is_somebody_else_at_each_request_unless_it_names_a_user() -> None:
    random.seed(11)
    answers = [way(entry(30).route(None, ADMIN, None)) for _ in range(PEOPLE)]
    assert abs(answers.count((2, "canary")) - PEOPLE * 0.3) < bound(PEOPLE, 0.3)
    assert len({way(entry(50).route(None, ADMIN, "ann")) for _ in range(100)}) == 1


def test_what_is_asked_for_by_number_wins_over_pin_and_canary() -> None:
    assert way(entry(100, pins={"clinic": 4}).route(1, LAB, "ann")) == (1, "number")


def test_a_pin_wins_over_the_canary_and_holds_for_its_tenant_alone() -> None:
    pinned = entry(100, pins={"clinic": 4})
    assert way(pinned.route(None, CLINIC, "ann")) == (4, "pin")
    assert way(pinned.route(None, Caller("bank", frozenset({"healthcare"})), "ann")) == (2, "canary")


def test_a_tenant_called_admin_does_not_pin_the_admin() -> None:
    assert way(entry(pins={"admin": 4}).route(None, ADMIN, None)) == (1, "stable")


@pytest.mark.parametrize("weight", [5, 50, 100])
def test_the_shadow_gets_a_copy_of_its_share_of_what_stable_answers(weight: float) -> None:
    random.seed(13)
    shadowed = entry(shadow=weight)
    routes = [shadowed.route(None, CLINIC, "ann") for _ in range(PEOPLE)]
    assert {way(route) for route in routes} == {(1, "stable")}
    copies = sum(route.shadow is RELEASES[3] for route in routes)
    assert abs(copies - PEOPLE * weight / 100) <= bound(PEOPLE, weight / 100)


@pytest.mark.parametrize("number", [None, 4])
def test_what_stable_did_not_answer_is_not_copied(number: int | None) -> None:
    for tried in (entry(100, 100), entry(0, 100, pins={"clinic": 4})):
        assert tried.route(number, LAB, "ann").shadow is None


def test_a_canary_that_cannot_be_served_here_answers_nobody_and_a_shadow_gets_nothing() -> None:
    broken = entry(100, 100, broken={2: "made for another base", 3: "made for another base"})
    route = broken.route(None, CLINIC, "ann")
    assert (way(route), route.shadow) == ((1, "stable"), None)


def test_a_pin_to_what_cannot_be_served_here_does_not_become_another_release() -> None:
    with pytest.raises(EngineUnavailableError, match="healthcare/triage@4 cannot be served"):
        entry(pins={"clinic": 4}, broken={4: "made for another base"}).route(None, CLINIC, None)
    with pytest.raises(UnknownModelError, match="'healthcare/triage@9' does not exist"):
        entry(pins={"clinic": 9}).route(None, CLINIC, None)


def test_what_the_engine_has_to_hold_is_what_is_live_tried_or_pinned() -> None:
    assert entry(10, 100, {"clinic": 4, "bank": 4, "shop": 1}).desired() == {
        1: ["live", "pin of shop"], 2: ["canary"], 3: ["shadow"], 4: ["pin of bank", "pin of clinic"],
    }  # fmt: skip
    assert entry().desired() == {1: ["live"]}


def test_what_cannot_be_served_here_is_missed_where_it_should_be_held() -> None:
    broken = entry(10, 100, {"clinic": 4}, broken={2: "made for another base", 4: "made for another base"})
    assert broken.desired() == {1: ["live"], 3: ["shadow"]}
    assert broken.unservable() == {2: ["canary"], 4: ["pin of clinic"]}
    assert entry(broken={4: "made for another base"}).unservable() == {}
