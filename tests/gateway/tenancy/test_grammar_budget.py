"""For how long grammars are compiled for a tenant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.errors import RequestsLimitedError
from postil.gateway.tenancy.grammar_budget import GrammarBudget


def test_what_grammars_take_is_counted_for_a_minute() -> None:
    now = [0.0]
    budget = GrammarBudget(5, lambda: now[0])
    budget.take("clinic", "a", 2600)
    now[0] = 10.5
    budget.take("clinic", "b", 2300)
    budget.take("bank", "c", 2600)
    with pytest.raises(RequestsLimitedError) as refused:
        budget.take("clinic", "c", 2600)
    assert refused.value.retry_after == 50
    budget.take("clinic", "d", 100)
    now[0] = 60.0
    budget.take("clinic", "c", 2600)


def test_many_cheap_grammars_are_as_many_as_few_dear_ones() -> None:
    budget = GrammarBudget(20, lambda: 0.0)
    for number in range(2000):
        budget.take("clinic", str(number), 10)
    with pytest.raises(RequestsLimitedError):
        budget.take("clinic", "one more", 10)


def test_a_repeat_counts_a_twentieth() -> None:
    budget = GrammarBudget(2, lambda: 0.0)
    budget.take("clinic", "a", 1000)
    for _ in range(20):
        budget.take("clinic", "a", 1000)
    with pytest.raises(RequestsLimitedError):
        budget.take("clinic", "a", 1000)


def test_what_eight_others_were_sent_after_is_new_again() -> None:
    budget = GrammarBudget(2, lambda: 0.0)
    for number in range(9):
        budget.take("clinic", str(number), 200)
    budget.take("clinic", "8", 200)
    with pytest.raises(RequestsLimitedError):
        budget.take("clinic", "0", 200)


def test_one_that_takes_longer_than_a_minute_allows_is_compiled_alone() -> None:
    now = [100.25]
    budget = GrammarBudget(1, lambda: now[0])
    budget.take("clinic", "a", 2600)
    with pytest.raises(RequestsLimitedError) as refused:
        budget.take("clinic", "b", 2600)
    assert refused.value.retry_after == 60
    now[0] += 60
    budget.take("clinic", "b", 2600)


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(1, 2600)), max_size=60))
def test_no_minute_has_more_than_is_allowed(asked: list[tuple[float, float]]) -> None:
    now = [0.0]
    budget = GrammarBudget(5, lambda: now[0])
    taken: list[tuple[float, float]] = []
    for number, (later, milliseconds) in enumerate(asked):
        now[0] += later
        try:
            budget.take("clinic", str(number), milliseconds)
        except RequestsLimitedError as refused:
            now[0] += refused.retry_after or 0
            budget.take("clinic", str(number), milliseconds)
        taken.append((now[0], milliseconds))
        assert sum(each for at, each in taken if at > now[0] - 59) <= 5000.001
