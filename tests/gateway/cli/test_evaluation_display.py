"""An evaluation as a person reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from postil.gateway.cli.evaluation_display import sentences, show_evaluation
from postil.registry.training.dataset import Dataset, Example
from postil.registry.training.forgetting import Forgetting
from postil.registry.training.origins import OriginMetrics
from postil.registry.training.promises import Wanted
from postil.registry.training.report import Evaluation, Judged, against_linear, findings, measure
from tests.support.paths import ROOT


def judged(label: str, answer: str, probability: float = 0.99) -> Judged:
    return Judged(Example("", "m", label, 1), answer, probability, 0.1)


OURS = [
    *[judged("symptoms", "symptoms")] * 180,
    *[judged("billing", "billing")] * 90,
    judged("billing", "symptoms", 0.5),
    *[judged("none", "none")] * 9,
]
THEIRS = [*OURS[:170], *[judged("symptoms", "billing", 0.6)] * 10, *OURS[180:]]


def evaluation(**more: Any) -> Evaluation:
    """Figures of an adapter that is right but once, and of a linear model that is not."""
    training = Dataset(ROOT / "train.jsonl", (Example("", "m", "a", 1),), "f", ("a",), "sha256:0")
    file = {"file": "validation.jsonl", "digest": "sha256:1", "examples": len(OURS)}
    made: dict[str, Any] = {
        "base": "tiny", "field": "category", "labels": ("billing", "symptoms"), "reject": "none",
        "instruction": "Sort.",
        "validation": file, "selection": file, "calibrated_on": file,
        "base_metrics": measure(THEIRS, "none"), "few_shot_metrics": measure(THEIRS, "none"),
        "linear": against_linear(training, THEIRS, OURS, "none"),
        **findings(OURS, "none", None, Wanted(critical=("billing",))),
    }  # fmt: skip
    return Evaluation(**made | more)


def test_the_table_has_what_the_adapter_is_compared_with(capsys: pytest.CaptureFixture[str]) -> None:
    show_evaluation(evaluation())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["label", "rows", "base", "few-shot", "linear", "adapter", "95", "%", "taken", "for"]
    assert lines[1].split() == [
        "billing", "91", "98.9%", "98.9%", "98.9%", "98.9%", "94.0-99.8", "symptoms", "1",
    ]  # fmt: skip
    assert lines[3].split()[:2] == ["all", "271"]
    assert max(map(len, lines[:4])) <= 80


def test_sentences_say_what_was_compared_promised_and_chosen() -> None:
    said = list(sentences(evaluation()))
    assert said[0] == "Macro-F1 is 0.996; the base's is 0.956."
    assert said[1] == (
        "Beside a linear model trained on the same rows, only the adapter is right on 10 rows, only the linear model on"
        " 0: a difference of +3.7 points (+2.0 to +6.7 with 95% confidence), McNemar p = 0.002."
    )
    assert said[2] == "Of 9 messages of no label the linear model would hold back 9, the adapter 9."
    assert said[5] == (
        "Promised from a minimum of 0: at most 2.0% of what is answered is wrong, with 95% confidence (1 of 271 here)."
        " 3.2% (1.7% to 6.0%) of messages go to review."
    )
    assert said[6] == (
        "Not promised: at most 2.0% of the answers to messages of 'billing' is wrong, with 95% confidence. 236 answered"
        " rows with 1 error are needed; 91 are there, with which it is at most 5.1%."
    )
    assert [line[:24] for line in said[7:]] == [
        "Note: the epoch was chos",
        "Note: temperature and mi",
        "Note: the epoch was chos",
    ]


def test_what_is_not_shown_to_differ_is_said_so_and_other_rows_are_told() -> None:
    training = Dataset(ROOT / "train.jsonl", (Example("", "m", "a", 1),), "f", ("a",), "sha256:0")
    same = [judged("a", "a"), judged("b", "b")] * 100
    linear = against_linear(training, same, same, None)
    said = list(sentences(evaluation(linear=linear, **findings(same, None, same))))
    assert said[1].endswith("McNemar p = 1.00: no difference is shown.")
    assert any(line.endswith("On the rows of the figures 0 of 200 are wrong.") for line in said)


def test_a_report_of_before_is_shown_with_what_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "deploy/demo/healthcare/triage/2/training.json"
    show_evaluation(Evaluation.model_validate(json.loads(path.read_bytes())))
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["label", "rows", "base", "adapter", "95", "%", "taken", "for"]
    assert "The confidence is" in out


def test_what_was_forgotten_is_a_sentence() -> None:
    forgotten = Forgetting(prompts=24, tokens=700, kl=0.1234, perplexity_ratio=1.056, labels=3, base_labels=0)
    assert (
        "On 24 neutral questions the adapter is 0.123 nats per token away from the base, its perplexity on written"
        " answers is 1.06 times the base's, and 3 of 24 answers are a label (the base's: 0)."
    ) in sentences(evaluation(forgetting=forgotten))


def test_rows_that_say_where_they_come_from_have_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    show_evaluation(evaluation())
    assert "origin" not in capsys.readouterr().out
    one = OriginMetrics(examples=40, right=30, accuracy=0.75, interval=(0.598, 0.858))
    show_evaluation(evaluation(origins={"review": one, "varied (\x1b[2Jkeyboard)": one}))
    lines = capsys.readouterr().out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("origin"))
    assert lines[at].split() == ["origin", "rows", "right", "adapter", "95", "%"]
    assert lines[at + 1].split() == ["review", "40", "30", "75.0%", "59.8-85.8"]
    assert lines[at + 2].startswith(r"varied (\x1b[2Jkeyboard)")
