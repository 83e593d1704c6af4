"""A comparison as a person reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from postil.gateway.cli.comparison_display import sentences, show_comparison
from postil.registry.training.compare_adapters import (
    AdapterComparison,
    HeldOutUses,
    Margins,
    compared_answers,
)
from postil.registry.training.dataset import Dataset, Example
from postil.registry.training.report import Judged


def judged(label: str, answer: str) -> Judged:
    return Judged(Example("", "m", label, 1), answer, 0.9, 0.1)


def comparison(margins: Margins) -> AdapterComparison:
    """B is right on all 400 rows of symptoms, of which A misses 8, and wrong on 12 of 100 of billing."""
    before = (
        [judged("symptoms", "billing")] * 8
        + [judged("symptoms", "symptoms")] * 392
        + [judged("billing", "billing")] * 100
    )
    after = (
        [judged("symptoms", "symptoms")] * 400
        + [judged("billing", "symptoms")] * 12
        + [judged("billing", "billing")] * 88
    )
    rows = Dataset(Path("rows.jsonl"), (), "category", ("billing", "symptoms"), "sha256:0")
    return compared_answers(("healthcare/triage@2", "healthcare/triage@3"), rows, "base", before, after, None, margins)


def test_the_table_fits_a_narrow_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_comparison(comparison(Margins()))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "A is healthcare/triage@2, B is healthcare/triage@3."
    assert " ".join(lines[1].split()) == "label rows A B only A only B p B - A"
    assert lines[2].split() == [
        "billing",
        "100",
        "100.0%",
        "(96-100)",
        "88.0%",
        "(80-93)",
        "12",
        "0",
        "0.00049",
        "-12.0",
    ]
    assert lines[4].split()[:2] == ["all", "500"]
    assert max(map(len, lines[:5])) <= 80


def test_every_margin_has_a_verdict() -> None:
    said = list(sentences(comparison(Margins(0.05, {"symptoms": 0.01, "billing": 0.03}))))
    assert said[0] == (
        "Of 500 rows, only B is right on 8 rows, only A on 12: a difference of -0.8 points (-2.8 to +1.0 with 95%"
        " confidence), McNemar p = 0.50."
    )
    assert said[1:] == [
        "B is not worse than A by more than 5 points: at least -2.4 at 95%.",
        "B is not worse than A by more than 1 point on messages of 'symptoms': at least +1.1 at 95%.",
        "B is worse than A by more than 3 points on messages of 'billing', at 95% confidence.",
    ]


def test_what_is_not_shown_tells_how_many_rows_show_it() -> None:
    [_, said] = sentences(comparison(Margins()))
    assert said == (
        "It is not shown that B is not worse than A by more than 1 point: it may be -2.4 at 95%. 500 rows are there;"
        " 268 show it where both answer all rows alike, and more are needed where they differ."
    )


@pytest.mark.parametrize(
    ("uses", "says"),
    [
        (1, "1 adapter was measured with these rows so far."),
        (11, "11 adapters were measured with these rows so far: they are worn out, hold out new ones."),
    ],
)
def test_how_often_the_rows_were_used_is_said(uses: int, says: str) -> None:
    found = comparison(Margins())
    before = list(sentences(found))
    counted = found.model_copy(update={"held_out_uses": HeldOutUses(uses=uses, limit=10)})
    assert list(sentences(counted)) == [*before, says]
    unused = found.model_copy(update={"held_out_uses": HeldOutUses(uses=0, limit=10)})
    assert list(sentences(unused)) == before
