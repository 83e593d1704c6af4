"""What a comparison finds, says, and leaves alone."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.control.analysis.comparison import (
    CALIBRATION,
    ENGINE_ERRORS,
    FALLBACKS,
    SIGNALS,
    SLOW_ANSWERS,
    VALIDATOR_FAILURES,
    Comparison,
    Evidence,
    Seen,
    SignalState,
)

GOOD = Seen(failed_validation=False, engine_error=False, fell_back=False, seconds=0.2)
BAD = {
    VALIDATOR_FAILURES: replace(GOOD, failed_validation=True),
    ENGINE_ERRORS: replace(GOOD, engine_error=True),
    FALLBACKS: replace(GOOD, fell_back=True),
    SLOW_ANSWERS: replace(GOOD, seconds=3.0),
}

outcomes = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=120)


def begun(old: int = 1_000, **options: float) -> Comparison:
    """A comparison whose old side has answered well for a while."""
    comparison = Comparison(**options)  # type: ignore[arg-type]
    for _ in range(old):
        comparison.old(GOOD)
    return comparison


def alternating(comparison: Comparison, old: Seen, new: Seen, times: int) -> Evidence | None:
    """The finding after so many requests of both sides, in turn."""
    for _ in range(times):
        comparison.old(old)
        comparison.new(new)
    return comparison.finding


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_release_that_does_nothing_but_one_thing_wrong_is_found_by_that_thing(signal: str) -> None:
    found = alternating(begun(), GOOD, BAD[signal], 20)
    assert found is not None
    assert found.signal == signal
    assert found.e_value >= found.threshold == 400


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_release_that_is_as_bad_as_its_predecessor_is_left_alone(signal: str) -> None:
    assert alternating(Comparison(), BAD[signal], BAD[signal], 2_000) is None


def test_a_release_without_fault_is_left_alone() -> None:
    assert alternating(begun(), GOOD, GOOD, 5_000) is None


@pytest.mark.parametrize("signal", [VALIDATOR_FAILURES, ENGINE_ERRORS, FALLBACKS])
def test_three_failures_in_a_row_are_not_enough_however_spotless_the_predecessor(signal: str) -> None:
    comparison = begun(50_000)
    assert alternating(comparison, GOOD, BAD[signal], 3) is None
    assert alternating(comparison, GOOD, BAD[signal], 2) is not None


def test_the_reason_is_one_sentence_with_the_counts() -> None:
    found = Evidence(VALIDATOR_FAILURES, 5, 1_030, 34, 120, 812.4, 400.0, None, 4, 3)
    assert str(found) == (
        "validator failures: 34 of 120 against 5 of 1,030 before, seen by 3 of 4 tenants (e-value 812, alarm at 400)"
    )


def test_the_reason_says_what_counts_as_slow() -> None:
    found = alternating(begun(CALIBRATION + 1), GOOD, replace(GOOD, seconds=3.0), 30)
    assert str(found).startswith("slow answers (over 0.2 s): ")


@pytest.mark.parametrize(
    ("value", "text"), [(0.0312, "0.0312"), (12.34, "12.3"), (399.6, "400"), (52_340.0, "52,340"), (3.2e11, "3.2e+11")]
)
def test_e_values_are_short_to_read(value: float, text: str) -> None:
    assert f"(e-value {text}, " in str(SignalState(FALLBACKS, 0, 1, 1, 1, value, 400.0))


def test_a_finding_stays_as_it_was_found() -> None:
    comparison = begun()
    found = alternating(comparison, GOOD, BAD[ENGINE_ERRORS], 12)
    before = comparison.evidence()
    assert alternating(comparison, GOOD, GOOD, 5_000) is found
    assert comparison.old(GOOD) is comparison.new(GOOD) is comparison.finding is found
    assert comparison.evidence() == before


def test_the_finding_comes_with_the_request_that_brings_it() -> None:
    comparison = begun()
    for _ in range(12):
        comparison.old(GOOD)
        if comparison.new(BAD[ENGINE_ERRORS]) is not None:
            break
    assert comparison.finding is not None
    assert (
        comparison.finding.candidate_total
        == comparison.finding.candidate_failures
        == comparison.evidence()[1].candidate_total
    )


def test_a_waiting_outcome_of_the_new_side_counts_with_the_next_of_the_old() -> None:
    comparison = begun()
    for _ in range(6):
        comparison.new(BAD[ENGINE_ERRORS])
    found = [comparison.old(GOOD) for _ in range(2)]
    assert comparison.evidence()[1].e_value > 1
    assert found[-1] is comparison.finding


def test_evidence_starts_at_one_and_counts_every_request() -> None:
    comparison = Comparison()
    assert [(one.signal, one.e_value, one.threshold) for one in comparison.evidence()] == [
        (signal, 1.0, 400.0) for signal in SIGNALS
    ]
    alternating(comparison, BAD[FALLBACKS], GOOD, 10)
    fallbacks = comparison.evidence()[2]
    counts = (
        fallbacks.baseline_failures,
        fallbacks.baseline_total,
        fallbacks.candidate_failures,
        fallbacks.candidate_total,
    )
    assert counts == (10, 10, 0, 10)


def test_alpha_is_shared_among_the_signals() -> None:
    assert Comparison(alpha=0.001).threshold == 4_000
    assert Comparison(alpha=0.05).threshold == 80


def test_a_stricter_alpha_needs_more() -> None:
    needed = []
    for alpha in (0.05, 0.01, 0.0001):
        comparison = begun(alpha=alpha)
        alternating(comparison, GOOD, BAD[ENGINE_ERRORS], 50)
        assert comparison.finding is not None
        needed.append(comparison.finding.candidate_failures)
    assert needed == sorted(set(needed))


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, 2.0])
def test_an_alpha_that_is_no_probability_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Comparison(alpha=alpha)


def test_what_is_slow_needs_requests_to_tell_from() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        Comparison(calibration=0)


def test_slow_is_beyond_the_95th_percentile_of_the_predecessors_first_requests() -> None:
    comparison = Comparison(calibration=100)
    seconds = [float(n) for n in range(1, 101)]
    random.Random(5).shuffle(seconds)
    for one in seconds[:99]:
        comparison.old(replace(GOOD, seconds=one))
    assert comparison.slow_after is None
    comparison.old(replace(GOOD, seconds=seconds[99]))
    assert comparison.slow_after == 95.0


def test_the_requests_that_say_what_is_slow_are_not_tested_against_it() -> None:
    comparison = Comparison(calibration=100)
    alternating(comparison, BAD[SLOW_ANSWERS], BAD[SLOW_ANSWERS], 99)
    comparison.old(GOOD)
    assert comparison.slow_after == 3.0
    slow = comparison.evidence()[3]
    assert (slow.baseline_total, slow.candidate_total, slow.slow_after) == (0, 0, 3.0)


def test_what_is_slow_is_frozen() -> None:
    comparison = begun(CALIBRATION)
    alternating(comparison, replace(GOOD, seconds=9.0), GOOD, 500)
    assert comparison.slow_after == 0.2
    assert comparison.evidence()[3].baseline_failures == 500


def test_evidence_beyond_all_measure_is_still_a_number() -> None:
    comparison = begun(alpha=5e-324)
    alternating(comparison, GOOD, BAD[ENGINE_ERRORS], 2_000)
    assert 1e300 < comparison.evidence()[1].e_value < float("inf")


@given(outcomes, st.sampled_from(SIGNALS[:3]), st.sampled_from(SIGNALS[:3]), st.booleans())
def test_signals_that_are_the_same_on_both_sides_change_nothing(
    history: list[tuple[bool, bool]], watched: str, constant: str, value: bool
) -> None:
    field = {VALIDATOR_FAILURES: "failed_validation", ENGINE_ERRORS: "engine_error", FALLBACKS: "fell_back"}
    alone, beside = Comparison(alpha=0.2), Comparison(alpha=0.2)
    for on_new, failed in history:
        signs: dict[str, Any] = {field[watched]: failed}
        seen, both = replace(GOOD, **signs), replace(GOOD, **{field[constant]: value, **signs})
        assert (alone.new if on_new else alone.old)(seen) == (beside.new if on_new else beside.old)(both)


@given(st.lists(st.tuples(st.booleans(), st.builds(Seen, *[st.booleans()] * 3, st.floats(0, 10))), max_size=80))
def test_the_same_requests_give_the_same_evidence(history: list[tuple[bool, Seen]]) -> None:
    first, second = Comparison(calibration=10), Comparison(calibration=10)
    for on_new, seen in history:
        for comparison in (first, second):
            (comparison.new if on_new else comparison.old)(seen)
    assert first.evidence() == second.evidence()
    assert first.finding == second.finding
