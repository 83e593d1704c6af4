"""Training in a process of its own: what it refuses comes back as one sentence, and nothing else comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Never

import pytest

from postil.registry.defaults import REPORT
from postil.registry.errors import DatasetError
from postil.registry.training.errors import RoundError
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.options import TrainOptions
from postil.registry.training.rounds.child import train_apart, work


def failing(error: BaseException) -> Callable[[], Never]:
    def train() -> Never:
        raise error

    return train


@pytest.mark.parametrize("kind", [TrainOptions, MethodOptions])
def test_what_is_refused_there_is_said_here(tmp_path: Path, kind: type[TrainOptions]) -> None:
    method = "classify" if kind is TrainOptions else "sft"
    missing = tmp_path / "train.jsonl"
    options = kind(method=method, data=missing, validation=missing, base=tmp_path, out=tmp_path / "out")
    with pytest.raises(RoundError, match=r"train\.jsonl cannot be read"):
        train_apart(options)


def test_a_process_that_says_nothing_is_told_by_its_status(tmp_path: Path) -> None:
    options = TrainOptions.model_construct({"data"}, data=tmp_path)
    with pytest.raises(RoundError, match="the training ended with status 1; the same command goes on"):
        train_apart(options)


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (DatasetError("line 3: no label"), 1, "line 3: no label"),
        (MemoryError(), 1, "the memory is not enough"),
        (RuntimeError("CUDA out of memory"), 1, "the memory is not enough"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_each_end_has_its_status_and_sentence(tmp_path: Path, error: BaseException, status: int, says: str) -> None:
    refusal = tmp_path / "refusal"
    assert work(refusal, failing(error)) == status
    assert (refusal.read_text(encoding="utf-8") if says else "").startswith(says)
    assert refusal.exists() == bool(says)


def test_what_nobody_expects_is_raised(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="a shape"):
        work(tmp_path / "refusal", failing(RuntimeError("a shape")))
    assert work(tmp_path / "refusal", lambda: None) == 0


@pytest.mark.tune
def test_an_adapter_is_trained_there(tiny_base: Path, data: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    files = {"data": data[0], "validation": data[1], "base": tiny_base, "out": out, "base_id": "example/tiny"}
    train_apart(TrainOptions.model_validate({**files, "epochs": 0.2}))
    assert (out / REPORT).is_file()
