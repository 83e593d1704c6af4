"""Stress sets as a person reads them."""

from __future__ import annotations

import pytest

from postil.gateway.cli.stress_display import show_stress
from postil.registry.training.stress import Strange, Stress, Written
from tests.gateway.cli.test_evaluation_display import evaluation


def test_the_sets_stand_below_the_messages_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    written = Written(
        way="keyboard", rows=271, changed=260, right=250, accuracy=0.9225, interval=(0.8847, 0.9487), held_back=12
    )
    strange = Strange(
        kind="no label", file="x.jsonl", rows=50, held_back=45, share=0.9, interval=(0.7864, 0.9565),
        answered={"billing": 3, "symptoms": 2, "a third": 1},
    )  # fmt: skip
    report = evaluation(stress=Stress(seed=0, minimum=0.5, written=(written,), strange=(strange,)))
    show_stress(report)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split() for line in lines[1:5]] == [
        ["set", "rows", "changed", "counted", "share", "95", "%", "of", "all", "rows"],
        ["as", "they", "are", "271", "right", "99.6%", "97.9-99.9"],
        ["keyboard", "271", "260", "right", "92.2%", "88.5-94.9", "12", "held", "back"],
        ["no", "label", "50", "held", "back", "90.0%", "78.6-95.7", "billing", "3,", "symptoms", "2"],
    ]
    assert lines[5] == "Held back: the reject label, or a confidence below 0.50."
    show_stress(evaluation(stress=Stress(seed=None, minimum=0.5, written=(), strange=(strange,))))
    assert "as they are" not in capsys.readouterr().out


def test_without_sets_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show_stress(evaluation())
    assert capsys.readouterr().out == ""
