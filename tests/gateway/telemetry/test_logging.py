"""A line that comes again and again is written once a second, and none is lost without being counted."""

from __future__ import annotations

import logging
import sys

from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.telemetry.logging import Repeats


def line(text: str, at: float) -> logging.LogRecord:
    """A line of the log at a time."""
    record = logging.LogRecord("postil", logging.WARNING, __file__, 1, "it says %s", (text,), None)
    record.created = at
    return record


def test_what_is_left_out_is_counted() -> None:
    repeats = Repeats()
    written = []
    for at, text in [(10.0, "a"), (10.1, "a"), (10.2, "b"), (10.9, "a"), (11.1, "a"), (11.2, "b"), (11.3, "a")]:
        record = line(text, at)
        if repeats.filter(record):
            written.append((at, record.getMessage()))
    assert written == [
        (10.0, "it says a"),
        (10.2, "it says b"),
        (11.1, "it says a (and 2 times more)"),
        (11.2, "it says b"),
    ]


def test_a_traceback_is_always_written() -> None:
    repeats = Repeats()
    for _ in range(2):
        record = line("a", 10.0)
        try:
            raise ValueError
        except ValueError:
            record.exc_info = sys.exc_info()
        assert repeats.filter(record)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 0.5)), max_size=50))
def test_no_text_is_written_twice_within_a_second(lines: list[tuple[str, float]]) -> None:
    repeats, at, written = Repeats(), 100.0, dict[str, float]()
    for text, later in lines:
        at += later
        if repeats.filter(line(text, at)):
            assert at - written.get(text, 0.0) >= 1
            written[text] = at


def test_what_is_remembered_is_bounded() -> None:
    repeats = Repeats()
    for number in range(5000):
        assert repeats.filter(line(str(number), 10.0))
    assert len(repeats._seen) <= 1000
