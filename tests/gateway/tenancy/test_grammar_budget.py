"""How many new grammars a tenant may have compiled."""

from __future__ import annotations

import pytest

from postil.gateway.errors import RequestsLimitedError
from postil.gateway.tenancy.grammar_budget import GrammarBudget


def test_new_grammars_are_counted_for_a_minute() -> None:
    now = [0.0]
    budget = GrammarBudget(2, lambda: now[0])
    budget.take("clinic", "a")
    now[0] = 10.5
    budget.take("clinic", "b")
    budget.take("clinic", "a")
    budget.take("bank", "c")
    with pytest.raises(RequestsLimitedError) as refused:
        budget.take("clinic", "c")
    assert refused.value.retry_after == 50
    now[0] = 60.0
    budget.take("clinic", "c")


def test_what_was_sent_long_ago_is_new_again() -> None:
    budget = GrammarBudget(300)
    for number in range(300):
        budget.take("clinic", str(number))
    budget.take("clinic", "299")
    with pytest.raises(RequestsLimitedError):
        budget.take("clinic", "0")
