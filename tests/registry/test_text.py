"""Notes and reasons: kept as written, or refused in a sentence before anything has changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.registry.errors import TextError
from postil.registry.text import MAX_CHARACTERS, kept


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200))
def test_text_is_kept_as_it_is_written(text: str) -> None:
    assert kept(text, "note") == text


@pytest.mark.parametrize("text", ["a\0b", "half \ud83d", "x" * (MAX_CHARACTERS + 1)])
def test_what_could_not_be_given_back_is_refused(text: str) -> None:
    with pytest.raises(TextError, match="the note"):
        kept(text, "note")
