"""Variants stay texts, say the same, and are made again by the same chance."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.registry.training.data.ways import MISSPELT, SHORT, WAYS, by_casing, by_keyboard, by_phone, by_spelling

TEXT = "Please, I can't believe the payment. Could you tell me about my appointment tomorrow?"


@pytest.mark.parametrize("way", sorted(WAYS))
@given(st.text(min_size=1), st.integers())
def test_the_same_chance_gives_the_same_text_and_no_text_is_lost(way: str, text: str, seed: int) -> None:
    first, again = (WAYS[way](text, random.Random(seed)) for _ in range(2))
    assert first == again
    assert bool(first.strip()) or not any(map(str.isalnum, text))


def test_a_slip_is_a_key_beside_it_or_letters_in_another_order() -> None:
    made = {by_keyboard("payment", random.Random(seed)) for seed in range(300)}
    assert {"paymemt", "pyament", "payent", "paymment"} <= made
    assert not any("x" in text for text in made)
    assert {text[0] for text in made} == {"p"}


def test_letters_that_the_keyboard_has_not_are_doubled_at_most() -> None:
    assert {by_keyboard("éééé", random.Random(seed)) for seed in range(50)} <= {"éé" + "é" * n for n in range(1, 4)}
    assert by_keyboard("MONTHLY", random.Random(1)).isupper()


def test_short_words_are_left_alone() -> None:
    assert by_keyboard("I am 12345 ok", random.Random(0)) == "I am 12345 ok"


def test_a_phone_has_no_capitals_and_apostrophes_and_cuts_words_short() -> None:
    made = {by_phone(TEXT, random.Random(seed)) for seed in range(50)}
    assert "pls, i cant believe the payment. could u tell me abt my appt tmrw?" in made
    assert by_phone("That's it.", random.Random(0)) == "thats it"
    assert by_phone(".", random.Random(0)) == "."


def test_casing_and_spelling_change_nothing_else() -> None:
    assert {by_casing(TEXT, random.Random(seed)).casefold() for seed in range(9)} == {TEXT.casefold()}
    made = {by_spelling("Believe the payment", random.Random(seed)) for seed in range(50)}
    assert {"Beleive the payment", "Beleive the payement", "Believe the payment"} <= made


def test_no_word_is_known_by_itself() -> None:
    for known in (SHORT, MISSPELT):
        assert all(word == word.lower() != other for word, other in known.items())
