"""How long regular expressions take to compile into a grammar."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.registry.errors import GrammarError
from postil.registry.policy.grammars.patterns import pattern_estimate


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
        (r"^.*a.*$", 1, 30),
        (r"^(.{1,50})*$", 5000, 10_000),
        (r"^(.?){100}$", 20_000, 40_000),
        ("^ac{7,}$", 5, 50),
        ("^a{ 2 , 9 }b{3 }$", 10, 50),
        (r"^\u{1F600}[{]\{1,2}$", 0, 10),
        (r"^[a-z]{2}\d{2}\w\s$", 5, 50),
        ("^" + "." * 500 + "$", 2300, 2600),
        ("^" + "[a-z0-9]" * 1000 + "$", 900, 3000),
        ("^" + ".*" * 100 + "$", 500, 3000),
        ("^((a{1,9}", 1, 50),
        (")a{1,9}", 1, 50),
        ("[a", 0, 5),
        ("a\\", 0, 5),
    ],
)
def test_the_time_that_a_pattern_takes_is_estimated(pattern: str, least: float, most: float) -> None:
    assert least <= pattern_estimate(pattern).compile <= most


@pytest.mark.parametrize(
    ("pattern", "least", "most"),
    [("a{1,1000}", 45, 60), ("a{1,2000}", 180, 250), (".{1,100}", 5, 10), (r"\S" * 1000, 10, 30), ("a" * 1000, 1, 3)],
)
def test_the_time_that_the_api_server_takes_for_a_pattern_is_estimated(pattern: str, least: float, most: float) -> None:
    assert least <= pattern_estimate(pattern).front <= most


def repetition(least: int, most: int | None, zeros: int, blank: str) -> str:
    end = "" if most is None else f",{blank}{'0' * zeros}{most}"
    return f"{{{blank}{'0' * zeros}{least}{end}{blank}}}"


counts = st.integers(1, 50)


@given(counts, st.none() | counts, st.integers(0, 12), st.sampled_from(["", " ", "  "]))
def test_a_repetition_costs_the_same_however_it_is_written(
    least: int, more: int | None, zeros: int, blank: str
) -> None:
    most = None if more is None else least + more
    pattern = f"(.{repetition(least, most, zeros, blank)})x{repetition(least, most, zeros, blank)}"
    plain = f"(.{repetition(least, most, 0, '')})x{repetition(least, most, 0, '')}"
    longest = zeros + len(str(max(least, most or 0)))
    try:
        found = pattern_estimate(pattern)
    except GrammarError:
        assert longest > 6
    else:
        assert longest <= 6
        assert found.compile >= pattern_estimate(plain).compile


@pytest.mark.parametrize("pattern", ["a{0000001,0000020}", "a{1,9999999}", "(a{1}){5000000000}"])
def test_a_repetition_of_many_digits_is_refused(pattern: str) -> None:
    with pytest.raises(GrammarError, match="more than 6 digits"):
        pattern_estimate(pattern)


@pytest.mark.parametrize("pattern", ["a{", "a{}", "a{,5}", "a{x}", "{", "a{1,2", "a{+1}", "a{1,2,3}", r"\p{L}", "a{٣}"])
def test_a_brace_that_repeats_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(GrammarError, match="no repetition"):
        pattern_estimate(pattern)


@given(st.text(alphabet="ab.[]^(){},0123456789?*+|\\S:<!", max_size=60))
def test_any_text_has_an_estimate_or_is_refused(pattern: str) -> None:
    with suppress(GrammarError):
        assert min(pattern_estimate(pattern)) >= 0
