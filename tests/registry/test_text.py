"""Notes and reasons: kept as written, or refused in a sentence before anything has changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.registry.errors import TextError
from postil.registry.text import MAX_CHARACTERS, cleaned, kept, kept_line, kept_lines, spelling


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200))
def test_text_is_kept_as_it_is_written(text: str) -> None:
    assert kept(text, "note") == text


@pytest.mark.parametrize("text", ["a\0b", "half \ud83d", "x" * (MAX_CHARACTERS + 1)])
def test_what_could_not_be_given_back_is_refused(text: str) -> None:
    with pytest.raises(TextError, match="the note"):
        kept(text, "note")


@pytest.mark.parametrize("text", ["a\x1b]52;c;x\x07", "a\x9b31m", "a\x7f", "a\rb"])
@pytest.mark.parametrize("keep", [kept_line, kept_lines])
def test_control_characters_are_refused_in_what_people_write(keep: Callable[[str, str], str], text: str) -> None:
    with pytest.raises(TextError, match=r"the note holds a control character \('\\"):
        keep(text, "note")


def test_lines_and_tabs_are_for_notes_only() -> None:
    assert kept_lines("one\n\ttwo", "note") == "one\n\ttwo"
    with pytest.raises(TextError, match="the reason holds a control character"):
        kept_line("one\ntwo", "reason")


@given(st.text(max_size=20))
def test_what_a_program_said_can_always_be_a_reason(text: str) -> None:
    assert kept_line(cleaned(text * 300), "reason")[:1] != "\x1b"


def test_what_a_program_said_keeps_its_words() -> None:
    assert cleaned("no\x1b[31m\nsuch \ud83dfile") == "no [31m such ?file"


@pytest.mark.parametrize("text", [" \u00dc  b ", "U\u0308 b", "\u200b\u00dc\u00a0\u00adb\n"])
def test_one_text_is_spelt_in_one_way(text: str) -> None:
    assert spelling(text) == "\u00dc b"
    assert spelling(spelling(text)) == spelling(text)
