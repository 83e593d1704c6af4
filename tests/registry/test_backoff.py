from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postil.registry.backoff import Backoff


def test_pauses_double_up_to_the_longest() -> None:
    assert [Backoff(1.0, 10.0).pause(failures) for failures in range(1, 7)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


@given(st.integers(0, 10**9))
def test_however_often_it_failed_a_pause_lies_between_the_first_and_the_longest(failures: int) -> None:
    assert 0.5 <= Backoff(0.5, 30.0).pause(failures) <= 30.0
