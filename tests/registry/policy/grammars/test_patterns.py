"""How long regular expressions take to compile into a grammar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.registry.policy.grammars.patterns import pattern_cost


@pytest.mark.parametrize(
    ("pattern", "least", "most"),
    [
        (r"^\d{3}-\d{4}$", 0, 50),
        (r"^[a-z]{1,100}$", 100, 200),
        (r"^.{1,100}$", 1000, 2000),
        (r"^[^\]a]{1,100}$", 1000, 2000),
        (r"^\S{1,100}?$", 1000, 30_000),
        ("^[a-zä]{1,100}$", 1000, 2000),
        (r"^(draft|final|void)$", 0, 5),
        (r"^(?:a|b){1,3}$", 0, 50),
        (r"^(?P<name>a)(?<!b)$", 0, 5),
        (r"^.*a.*$", 1, 10),
        (r"^(.{1,50})*$", 5000, 10_000),
        (r"^(.?){100}$", 20_000, 40_000),
        ("^a{,5}b{x}c{7,}$", 5, 50),
        ("^((a{1,9}", 1, 50),
        (")a{1,9}", 1, 50),
        ("[a", 0, 5),
        ("a\\", 0, 5),
    ],
)
def test_the_time_that_a_pattern_takes_is_estimated(pattern: str, least: float, most: float) -> None:
    assert least <= pattern_cost(pattern) <= most


@given(st.text(alphabet="ab.[]^(){},0123456789?*+|\\S:<!", max_size=60))
def test_any_text_has_an_estimate(pattern: str) -> None:
    assert pattern_cost(pattern) >= 0
