"""What an adapter has to beat: a linear model on the same rows, and the base with examples shown."""

from __future__ import annotations

from pathlib import Path

from postil.registry.training.baselines import linear, with_shots
from postil.registry.training.dataset import Dataset, Example, load


def test_a_linear_model_learns_the_rows_and_gives_probabilities(data: tuple[Path, Path]) -> None:
    training, validation = load(data[0]), load(data[1])
    found = linear(training, validation.examples)
    assert all(one.right and 0.5 < one.probability < 1 for one in found)
    assert [one.example for one in found] == list(validation.examples)
    assert found == linear(training, validation.examples)


def test_a_label_that_it_never_saw_is_a_certain_loss(data: tuple[Path, Path]) -> None:
    [found] = linear(load(data[0]), [Example("Sort.", "wrong invoice", "weather", 1, (("user", "hello"),))])
    assert (found.label, found.right) == ("billing", False)
    assert found.loss > 20


def test_texts_without_words_are_told_apart_too(tmp_path: Path) -> None:
    rows = [Example("Sort.", text, label, 1) for text, label in (("?!", "a"), ("?", "a"), ("...", "b"), ("..", "b"))]
    training = Dataset(tmp_path / "train.jsonl", tuple(rows), "category", ("a", "b"), "sha256:0")
    assert [one.label for one in linear(training, rows)] == ["a", "a", "b", "b"]


def test_the_base_is_shown_two_rows_of_each_label_before_the_message(data: tuple[Path, Path]) -> None:
    training = load(data[0])
    [shown] = with_shots(training, [Example("Sort.", "sir", "billing", 1, (("user", "hello"),))], training.labels)
    assert [role for role, _ in shown.history] == ["user", "assistant"] * 4 + ["user"]
    assert [text for role, text in shown.history if role == "assistant"] == [
        '{"category": "billing"}', '{"category": "symptoms"}',
    ] * 2  # fmt: skip
    assert shown.history[-1] == ("user", "hello")
