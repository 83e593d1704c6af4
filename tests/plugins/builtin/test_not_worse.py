"""A release that is worse on the same rows than the live one is not made live."""

from __future__ import annotations

from typing import Any

import pytest

from postil.plugins import Candidate, ConfigError, ReleaseRef
from postil.plugins.builtin.not_worse import NotWorse

ROWS = {"digest": "sha256:1"}


def release(number: int, validation: Any = ROWS, **outcomes: Any) -> Candidate:
    """A release with outcomes by label."""
    metrics = {"validation": validation, "outcomes": outcomes}
    return Candidate(ReleaseRef("healthcare", "triage", number), {}, metrics)


def reason(candidate: Candidate, live: Candidate | None, **config: Any) -> str:
    return str(NotWorse.from_mapping(config).check(candidate, live).reason)


LIVE = release(1, symptoms="1" * 200, billing="1" * 190 + "0" * 10)


def test_the_same_answers_on_enough_rows_pass() -> None:
    assert reason(LIVE, LIVE) == ""
    assert reason(release(2, symptoms="1" * 200, billing="1" * 200), LIVE) == ""


def test_a_release_that_is_worse_does_not_pass_with_the_rows_that_say_so() -> None:
    worse = release(2, symptoms="1" * 160 + "0" * 40, billing="1" * 190 + "0" * 9 + "1")
    assert reason(worse, LIVE) == (
        "it is more than 1 point worse: only it is right on 1 of 400 rows, only healthcare/triage@1, which is live, on"
        " 40"
    )
    assert reason(worse, LIVE, margin=15) == ""


def test_a_label_has_a_margin_of_its_own() -> None:
    swapped = release(2, symptoms="1" * 190 + "0" * 10, billing="1" * 200)
    assert reason(swapped, LIVE, margin=3) == ""
    assert reason(swapped, LIVE, margin=3, labels={"symptoms": 1}).startswith(
        "it is more than 1 point worse on messages of 'symptoms': only it is right on 0 of 200 rows"
    )
    assert reason(swapped, LIVE, margin=3, labels={"symptoms": 10}) == ""
    said = "no row of its evaluation has the label 'fraud', which the gate's labels name"
    assert reason(swapped, LIVE, margin=3, labels={"fraud": 1}) == said


def test_too_few_rows_show_nothing_unless_that_is_enough() -> None:
    few, live = release(2, symptoms="1" * 50), release(1, symptoms="1" * 50)
    assert reason(few, live) == (
        "it is not shown to be at most 1 point worse: only it is right on 0 of 50 rows, only healthcare/triage@1,"
        " which is live, on 0; evaluate both on more rows (268 at least)"
    )
    assert reason(few, live, unsure=True) == ""
    assert reason(few, live, confidence=0.5) == ""


def test_the_first_release_and_one_after_a_release_without_outcomes_pass() -> None:
    before = Candidate(ReleaseRef("healthcare", "triage", 1), {}, {"adapter_metrics": {"accuracy": 0.9}})
    assert reason(release(2, a="1"), None) == reason(release(2, a="1"), before) == ""


@pytest.mark.parametrize("outcomes", [None, {}, "1", {"a": 1}])
def test_a_release_that_does_not_say_which_rows_were_right_does_not_pass(outcomes: Any) -> None:
    silent = Candidate(ReleaseRef("healthcare", "triage", 2), {}, {"outcomes": outcomes})
    said = "its training.json does not say which rows were right; run `postil evaluate` on it first"
    assert reason(silent, None) == reason(silent, LIVE) == said


@pytest.mark.parametrize(
    "candidate",
    [
        release(2, {"digest": "sha256:2"}, symptoms="1" * 200, billing="1" * 200),
        release(2, None, symptoms="1" * 200, billing="1" * 200),
        release(2, {"digest": 1}, symptoms="1" * 200, billing="1" * 200),
        release(2, symptoms="1" * 200, billing="1" * 199),
    ],
)
def test_figures_of_other_rows_do_not_compare(candidate: Candidate) -> None:
    assert reason(candidate, LIVE) == (
        "it was not measured on the rows of healthcare/triage@1, which is live; run `postil evaluate` with the same"
        " file (see validation in training.json)"
    )


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"margin": 0}, "not_worse: margin: input should be greater than 0"),
        ({"labels": {"a": 101}}, "not_worse: labels.a: input should be less than or equal to 100"),
        ({"confidence": 1}, "not_worse: confidence: input should be less than 1"),
        ({"tolerance": 1}, "not_worse: there is no option tolerance; leave it out"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        NotWorse.from_mapping(config)
    assert str(caught.value) == sentence
