"""Which shares a canary may go through, and which of its steps is next."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.registry.errors import RegistryError, StepsError, WeightError
from postil.registry.releases.step_plan import MOST_STEPS, StepPlan, check_steps

weights = st.floats(0, 100, exclude_min=True, exclude_max=True)


@given(st.sets(weights, min_size=1, max_size=MOST_STEPS))
def test_rising_shares_below_the_whole_are_steps(wanted: set[float]) -> None:
    assert check_steps(sorted(wanted)) == sorted(wanted)


def test_whole_numbers_are_stored_as_they_are_read_back() -> None:
    assert [type(each) for each in check_steps([5, 25])] == [float, float]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([], "1 to 10 steps, not 0"),
        (list(range(1, 12)), "1 to 10 steps, not 11"),
        ([0, 5], "a step of 0 per cent cannot be"),
        ([-5], "a step of -5 per cent cannot be"),
        ([50, 100], "a step of 100 per cent cannot be; give more than 0 and less than 100, and promote"),
        ([5, math.nan], "a step of nan per cent"),
        ([5, math.inf], "a step of inf per cent"),
        ([5, 50, 25], "steps have to rise, and 25 per cent comes after 50"),
        ([5, 5], "steps have to rise, and 5 per cent comes after 5"),
    ],
)
def test_other_shares_are_refused_in_a_sentence(steps: list[float], said: str) -> None:
    kind: type[RegistryError] = StepsError if "rise" in said else WeightError
    with pytest.raises(kind, match=said):
        check_steps(steps)


@given(st.sets(weights, min_size=1, max_size=MOST_STEPS), st.data())
def test_the_next_step_is_greater_and_the_last_has_none(wanted: set[float], data: st.DataObject) -> None:
    steps = tuple(sorted(wanted))
    plan = StepPlan(steps, data.draw(st.integers(0, len(steps) - 1)), held=False, revision=1)
    if plan.next_weight is None:
        assert plan.weight == steps[-1]
    else:
        assert plan.weight < plan.next_weight <= steps[-1]
