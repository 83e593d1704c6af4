"""Answers row by row in a report, and what is read of a report that anybody wrote."""

from __future__ import annotations

from typing import Any

import pytest

from postil.registry.training.dataset import Example
from postil.registry.training.predictions import MOST, known_predictions, predicted
from postil.registry.training.report import Judged

FILE = {"file": "held-out.jsonl", "digest": "sha256:1", "examples": 2}


def judged(label: str, probability: float) -> Judged:
    return Judged(Example("", "a secret", "x", 1), label, probability, 0.1)


def test_label_and_probability_of_each_row_are_kept_and_no_message() -> None:
    found = predicted(FILE, [judged("billing", 0.99461), judged("two words", 1.0)])
    assert found.answers == ("0.9946 billing", "1.0000 two words")
    assert "secret" not in found.model_dump_json()
    report = {"predictions": [{"file": {"digest": "other"}}, found.model_dump(mode="json")]}
    assert known_predictions(report, "sha256:1", 2) == [("billing", 0.9946), ("two words", 1.0)]
    assert found.digest == predicted(FILE, [judged("billing", 0.99462), judged("two words", 1.0)]).digest
    assert found.digest != predicted(FILE, [judged("billing", 0.5), judged("two words", 1.0)]).digest


def test_of_a_large_file_the_digest_alone_is_kept() -> None:
    found = predicted(FILE, [judged("a", 0.5)] * (MOST + 1))
    assert found.answers is None
    assert len(found.digest) == 71
    assert known_predictions({"predictions": [found.model_dump()]}, "sha256:1", MOST + 1) is None


@pytest.mark.parametrize(
    "predictions",
    [
        None,
        "x",
        [1],
        [{"file": 1}],
        [{"file": {"digest": "sha256:2"}}],
        [{"file": FILE, "answers": ["0.5 a"]}],
        [{"file": FILE, "answers": ["0.5 a", "a"]}],
        [{"file": FILE}],
    ],
)
def test_a_report_without_these_rows_or_with_anything_else_gives_none(predictions: Any) -> None:
    assert known_predictions({"predictions": predictions}, "sha256:1", 2) is None
