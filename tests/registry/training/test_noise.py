"""Disturbed messages stay messages."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from postil.registry.training.noise import disturb


@given(st.text(min_size=1), st.integers())
def test_the_same_chance_gives_the_same_text_and_never_an_empty_one(text: str, seed: int) -> None:
    first, again = (disturb(text, 1.0, random.Random(seed)) for _ in range(2))
    assert first == again
    assert bool(first.strip()) == bool(text.strip())


@given(st.text())
def test_no_noise_changes_nothing(text: str) -> None:
    assert disturb(text, 0.0, random.Random(0)) == text


def test_noise_does_something() -> None:
    text = "Please, could somebody telephone me about Tuesday's appointment?"
    assert len({disturb(text, 1.0, random.Random(seed)) for seed in range(40)}) > 10
