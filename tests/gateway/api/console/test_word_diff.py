"""Two texts, word by word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.api.console.word_diff import ADDED, REMOVED, SAME, Part, word_diff


def test_words_that_both_have_stay_and_others_are_removed_or_added() -> None:
    assert word_diff("pay the bill now", "pay a bill") == [
        Part("pay ", SAME),
        Part("the", REMOVED),
        Part("a", ADDED),
        Part(" bill", SAME),
        Part(" now", REMOVED),
    ]
    assert word_diff("", "") == []


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_parts_of_each_text_put_together_are_the_text(first: str, second: str) -> None:
    parts = word_diff(first, second)
    assert "".join(part.text for part in parts if part.kind != ADDED) == first
    assert "".join(part.text for part in parts if part.kind != REMOVED) == second


def test_of_long_texts_the_beginning_is_compared() -> None:
    long = "word " * 5000
    assert word_diff(long, long) == [Part("word " * 500, SAME)]
