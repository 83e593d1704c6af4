"""When a canary gets its next step: never down or past the last, never by an alarm or by the same evidence twice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.gateway.control.analysis.by_tenant import ByTenant
from postil.gateway.control.analysis.comparison import TOLERANCE
from postil.gateway.control.analysis.steps import SUSPECTED, StepEvidence, Wait, sentence, standing, waits_for
from postil.registry.releases.step_plan import StepPlan

NEEDED = 10
PLAN = StepPlan((5.0, 25.0, 50.0), 0, held=False, revision=1)
GOOD = StepEvidence(NEEDED, 0.0, "fallbacks")


@pytest.mark.parametrize(
    ("plan", "shown", "expected"),
    [
        (PLAN, GOOD, Wait.NOTHING),
        (PLAN, replace(GOOD, judged=NEEDED - 1), Wait.EVIDENCE),
        (PLAN, replace(GOOD, suspicion=SUSPECTED), Wait.SUSPICION),
        (PLAN, replace(GOOD, alarm=True), Wait.ALARM),
        (replace(PLAN, held=True), GOOD, Wait.HELD),
        (replace(PLAN, held=True), replace(GOOD, alarm=True), Wait.ALARM),
        (replace(PLAN, held=True), None, Wait.HELD),
        (PLAN, None, Wait.UNWATCHED),
        (replace(PLAN, step=2), GOOD, Wait.LAST),
    ],
)
def test_a_step_waits_for_what_is_missing_and_says_so(
    plan: StepPlan, shown: StepEvidence | None, expected: Wait
) -> None:
    assert waits_for(plan, shown, NEEDED) is expected
    words = {
        Wait.NOTHING: "is due", Wait.EVIDENCE: "9 of 10 requests", Wait.SUSPICION: "fallbacks are 50%",
        Wait.ALARM: "an alarm stands", Wait.HELD: "made by hand", Wait.UNWATCHED: "nothing is compared",
        Wait.LAST: "the last step",
    }  # fmt: skip
    assert words[expected] in sentence(plan, shown, NEEDED)


evidence = st.builds(
    StepEvidence,
    judged=st.integers(0, 3 * NEEDED),
    suspicion=st.floats(0, 1),
    signal=st.sampled_from(["fallbacks", "engine errors"]),
    alarm=st.booleans(),
)
plans = st.builds(
    lambda steps, step, held: StepPlan(tuple(sorted(steps)), step % len(steps), held, 1),
    st.sets(st.integers(1, 99).map(float), min_size=1, max_size=10),
    st.integers(0, 9),
    st.booleans(),
)


@given(plans, st.none() | evidence, st.integers(1, 3 * NEEDED))
def test_a_step_that_is_due_goes_up_and_has_all_that_it_needs(
    plan: StepPlan, shown: StepEvidence | None, needed: int
) -> None:
    if waits_for(plan, shown, needed) is Wait.NOTHING:
        assert shown is not None
        assert plan.next_weight is not None
        assert plan.weight < plan.next_weight <= plan.steps[-1]
        assert not (shown.alarm)
        assert not (plan.held)
        assert shown.judged >= needed
        assert shown.suspicion < SUSPECTED
    else:
        assert sentence(plan, shown, needed)


@given(plans, evidence, st.integers(1, 3 * NEEDED))
def test_an_alarm_and_a_hand_that_holds_stop_every_step(plan: StepPlan, shown: StepEvidence, needed: int) -> None:
    assert waits_for(plan, replace(shown, alarm=True), needed) is not Wait.NOTHING
    assert waits_for(replace(plan, held=True), shown, needed) is not Wait.NOTHING


@dataclass
class Gateways:
    """Several gateways over one database: each has its own counts, and marks them when it sees a step."""

    plan: StepPlan
    counts: list[int]
    began: list[int] = field(default_factory=list)
    seen: list[StepPlan] = field(default_factory=list)
    used: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began, self.seen = list(self.counts), [self.plan] * len(self.counts)
        self.used = list(self.counts)

    def look(self, at: int) -> None:
        """A gateway makes the step if it is due: the database takes it where the revision is the one it saw."""
        shown = StepEvidence(self.counts[at] - self.began[at], 0.0, "fallbacks")
        if waits_for(self.seen[at], shown, NEEDED) is not Wait.NOTHING:
            return
        if self.seen[at].revision == self.plan.revision:
            assert self.counts[at] - self.used[at] >= NEEDED, "what was judged before counts again"
            self.used[at] = self.counts[at]
            self.plan = replace(self.plan, step=self.plan.step + 1, revision=self.plan.revision + 1)
        self.catch_up(at)

    def catch_up(self, at: int) -> None:
        """A gateway sees the step that holds now."""
        if self.seen[at] != self.plan:
            self.seen[at], self.began[at] = self.plan, self.counts[at]


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.sampled_from(["ask", "look", "see"]), st.integers(0, 2), st.integers(1, 2 * NEEDED)), max_size=60
    )
)
def test_no_evidence_counts_for_two_steps_and_no_two_gateways_make_one_each(
    acts: list[tuple[str, int, int]],
) -> None:
    world = Gateways(PLAN, [0, 0, 0])
    for act, at, number in acts:
        before = world.plan
        if act == "ask":
            world.counts[at] += number
        elif act == "look":
            world.look(at)
        else:
            world.catch_up(at)
        assert world.plan.step - before.step in (0, 1)
        assert world.plan.weight >= before.weight
    assert world.plan.step <= len(PLAN.steps) - 1


requests = st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=150)


@given(requests, requests)
def test_what_one_tenant_sends_makes_no_step_where_others_ask_too(
    first: list[tuple[int, bool]], then: list[tuple[int, bool]]
) -> None:
    test = ByTenant([TOLERANCE])
    test.known(["other", "another"])
    for tenant, new in first:
        (test.new if new else test.old)(str(tenant), (False,))
    began = test.judged()
    for tenant, new in then:
        (test.new if new else test.old)(str(tenant), (False,))
    asked = [tenant for tenant, new in then if new]
    most = max((asked.count(tenant) for tenant in asked), default=0)
    # Tenants that share a slot are left out together.
    assert standing(test.judged(), began, alone=False) <= len(asked) - most
    assert standing(test.judged(), began, alone=True) == len(asked)


def test_where_all_requests_are_one_tenants_they_count() -> None:
    test = ByTenant([TOLERANCE])
    test.new("clinic", (False,))
    assert standing(test.judged(), (), alone=test.alone) == 1


def test_a_signal_that_cannot_be_told_yet_holds_the_step() -> None:
    test = ByTenant([TOLERANCE, TOLERANCE])
    for _ in range(5):
        test.new("clinic", (False, None))
    test.new("clinic", (False, False))
    assert standing(test.judged(), (), alone=True) == 1
