"""Whose evidence counts: that of all but any one, or that of the only one there is."""

from __future__ import annotations

import random
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.control.analysis.betting import Tolerance
from postil.gateway.control.analysis.by_tenant import BLOCK, SLOTS, ByTenant

THRESHOLD = log(400)
# Tenant (0 is hostile), to the new release or not, failed or not.
requests = st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), max_size=80)


def fed(test: ByTenant, history: list[tuple[int, bool, bool]]) -> ByTenant:
    """The test after these requests."""
    for tenant, new, failed in history:
        (test.new if new else test.old)(str(tenant), (failed,))
    return test


def bad(test: ByTenant, *tenants: str, times: int = 40) -> ByTenant:
    """The test after so many requests of each of these to a release that always fails, and as many to the old one."""
    for _ in range(times):
        for tenant in tenants:
            test.old(tenant, (False,))
            test.new(tenant, (True,))
    return test


@given(requests)
def test_whatever_one_tenant_sends_an_alarm_needs_the_evidence_of_the_others_alone(
    history: list[tuple[int, bool, bool]],
) -> None:
    test = fed(ByTenant([Tolerance()]), history)
    # The same requests without those of tenant 0, as if they were one tenant's.
    others = fed(ByTenant([Tolerance()]), [(1, new, failed) for tenant, new, failed in history if tenant])
    assert test.alone or test.log_e(0) <= others.log_e(0)


@given(requests, st.integers(0, 60))
def test_a_tenant_that_comes_later_gains_nothing_either(history: list[tuple[int, bool, bool]], first: int) -> None:
    history = [each for each in history[:first] if each[0]] + history[first:]
    test = fed(ByTenant([Tolerance()]), history)
    others = fed(ByTenant([Tolerance()]), [(1, new, failed) for tenant, new, failed in history if tenant])
    assert test.alone or test.log_e(0) <= others.log_e(0)


def test_one_tenant_alone_is_believed() -> None:
    test = bad(ByTenant([Tolerance()]), "clinic")
    assert test.alone
    assert test.log_e(0) >= THRESHOLD


@pytest.mark.parametrize("honest_tenants", [1, 2, 5, 30])
def test_one_tenant_among_others_is_not_believed(honest_tenants: int) -> None:
    test = ByTenant([Tolerance()])
    for _ in range(20):
        for tenant in range(honest_tenants):
            test.old(f"honest-{tenant}", (False,))
            test.new(f"honest-{tenant}", (False,))
    bad(test, "mallory", times=500)
    assert not test.alone
    assert test.log_e(0) < 1
    assert (test.tenants_asked(), test.tenants_failed(0)) == (honest_tenants + 1, 1)


def test_a_tenant_that_is_only_known_from_elsewhere_ends_being_alone() -> None:
    test = ByTenant([Tolerance()])
    test.known(["elsewhere"])
    bad(test, "mallory", times=500)
    assert test.log_e(0) == 0


def test_evidence_gathered_alone_does_not_stay_when_others_come() -> None:
    test = bad(ByTenant([Tolerance()]), "mallory")
    test.old("honest", (False,))
    assert test.log_e(0) == 0
    test.new("honest", (False,))
    assert test.log_e(0) < 1


@pytest.mark.parametrize("tenants", [2, 3, SLOTS, 3 * SLOTS])
def test_what_all_see_is_found(tenants: int) -> None:
    test = bad(ByTenant([Tolerance()]), *map(str, range(tenants)), times=20)
    assert test.log_e(0) >= THRESHOLD
    assert test.tenants_failed(0) == tenants


def test_tenants_that_are_each_on_one_side_only_are_compared_across() -> None:
    # Where a client names no user, a canary's tenants are on it with all their requests or with none.
    test = ByTenant([Tolerance()])
    for _ in range(40):
        for tenant in range(6):
            test.old(f"old-{tenant}", (False,))
        for tenant in range(2):
            test.new(f"new-{tenant}", (True,))
    assert test.log_e(0) >= THRESHOLD


def test_a_new_release_that_one_tenant_alone_got_is_not_ended_by_it() -> None:
    test = ByTenant([Tolerance()])
    for _ in range(500):
        test.old("honest", (False,))
        test.new("mallory", (True,))
    assert test.log_e(0) == 0


def test_the_counts_are_those_of_all_tenants() -> None:
    test = fed(ByTenant([Tolerance()]), [(1, False, True), (2, False, False), (1, True, True), (3, True, False)])
    assert test.counts(0) == (1, 2, 1, 2)


def test_what_cannot_be_told_yet_is_not_counted() -> None:
    test = ByTenant([Tolerance(), Tolerance()])
    test.old("clinic", (True, None))
    test.new("clinic", (False, True))
    assert (test.counts(0), test.counts(1)) == ((1, 1, 0, 1), (0, 0, 1, 1))
    assert test.log_e(1) == 0


def test_evidence_is_looked_at_with_every_request_first_and_seldom_later() -> None:
    test, looks = ByTenant([Tolerance()]), []
    for number in range(20_000):
        test.old("clinic", (False,))
        if test.new("clinic", (False,)):
            looks.append(number)
    assert looks[:10] == list(range(10))
    assert looks[-1] - looks[-2] == BLOCK
    assert len(looks) < 20_000 / BLOCK + 200


def test_memory_is_bounded_however_many_tenants_come() -> None:
    test, rng = ByTenant([Tolerance()], tracked=50), random.Random(3)
    for tenant in range(400):
        (test.new if rng.random() < 0.5 else test.old)(f"tenant-{tenant}", (False,))
    assert len(test.tenants) == 50
    assert sum(test.counts(0)[1::2]) == 400


def test_a_long_time_without_the_new_release_teaches_the_old_rate() -> None:
    test = ByTenant([Tolerance()])
    for _ in range(100 * BLOCK + 80):
        test.old("clinic", (False,))
    assert bad(test, "clinic", times=3).log_e(0) < THRESHOLD <= bad(test, "clinic", times=2).log_e(0)


def test_the_admin_who_tries_a_release_does_not_make_two_tenants_of_one() -> None:
    test = ByTenant([Tolerance()])
    test.known([""])
    bad(test, "", times=2)
    bad(test, "clinic")
    assert test.alone
    assert test.log_e(0) >= THRESHOLD
    assert (test.tenants_asked(), test.tenants_failed(0)) == (1, 1)
    assert bad(ByTenant([Tolerance()]), "").log_e(0) >= THRESHOLD
