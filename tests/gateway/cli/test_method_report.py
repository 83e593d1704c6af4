"""How the report of a method is shown."""

from __future__ import annotations

from typing import Any

import pytest

from postil.gateway.cli.method_report import show_method
from postil.registry.training.methods.report import Answers, Measured, MethodReport, Preferences


def report(**changes: Any) -> MethodReport:
    answers = Measured(answers=Answers(rows=4, tokens=40, loss=1.5, token_accuracy=0.5, exact=0.25, accuracy=0.75))
    values: dict[str, Any] = {
        "method": "sft", "tune": "full", "serving": "converted", "base": "b", "base_digest": "sha256:0",
        "reference": None, "reference_digest": None, "labels": (), "field": None, "instruction": None,
        "data": {}, "validation": {}, "selection": {},
        "notes": ("Chosen on these rows.",),
        "options": {}, "libraries": {}, "losses": ((1, 2.0), (9, 0.5)), "looks": (),
        "before": answers, "trained": answers, "served": answers, "forgetting": 0.25, "ended": 0.5, "steps": 9,
        "tokens": 1234, "parameters": 5678, "peak_memory": 3 << 29, "seconds": 12.3,
    }  # fmt: skip
    return MethodReport.model_validate(values | changes)


def test_answers_are_shown_before_trained_and_as_served(capsys: pytest.CaptureFixture[str]) -> None:
    show_method(report())
    told = capsys.readouterr().out
    assert "as served" in told
    assert "Chosen on these rows." in told
    assert "labels right" in told
    assert "Loss 2.000 at step 1, 0.500 at step 9." in told
    assert "1,234 tokens learned, 5,678 parameters trained, 1.50 GiB of memory at most, 12 s." in told


def test_preferences_are_shown_with_their_reference(capsys: pytest.CaptureFixture[str]) -> None:
    pairs = Measured(preferences=Preferences(pairs=2, chosen=-1, rejected=-2, accuracy=0.5))
    verdicts = Measured(preferences=Preferences(pairs=2, chosen=-1, rejected=-2))
    changes = {"served": None, "ended": None, "losses": (), "reference": "r", "reference_digest": "sha256:1"}
    show_method(report(before=pairs, trained=pairs, **changes))
    told = capsys.readouterr().out
    assert "better one likelier" in told
    assert "Reference: r, sha256:1." in told
    show_method(report(before=verdicts, trained=verdicts, **changes))
    assert "better one likelier" not in capsys.readouterr().out


def test_free_answers_have_no_labels_to_be_right(capsys: pytest.CaptureFixture[str]) -> None:
    free = Measured(answers=Answers(rows=4, tokens=40, loss=1.5, token_accuracy=0.5, exact=0.25))
    show_method(report(before=free, trained=free, served=None))
    assert "labels right" not in capsys.readouterr().out
