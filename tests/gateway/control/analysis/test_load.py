"""How many requests came of late."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.control.analysis.load import SECONDS, Pace


@given(st.lists(st.floats(0, 5), max_size=60))
def test_it_counts_the_seconds_that_count_and_no_others(gaps: list[float]) -> None:
    pace, now = Pace(), 100.0
    times: list[float] = []
    for gap in gaps:
        now += gap
        times.append(now)
        assert pace.came(now) == sum(int(now) - int(time) < SECONDS for time in times)


def test_a_silence_is_forgotten() -> None:
    pace = Pace()
    assert [pace.came(now) for now in (0.0, 0.5, 9.9, 10.0, 1000.0)] == [1, 2, 3, 2, 1]
