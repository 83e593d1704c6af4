"""A learning curve: how good adapters on some of the examples are, beside a linear model on the same ones."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from postil.plugins.texts import label_answer
from postil.registry.errors import DatasetError
from postil.registry.training.comparison import Comparison
from postil.registry.training.dataset import Dataset, Example, load
from postil.registry.training.errors import MethodError
from postil.registry.training.options import TrainOptions
from postil.registry.training.progress import Watcher
from postil.registry.training.report import Metrics, TrainReport
from postil.registry.training.train import train


class Point(BaseModel):
    """The figures of an adapter, and of a linear model, that were trained on ``examples``, and how they compare."""

    model_config = ConfigDict(frozen=True)

    examples: int
    adapter: Metrics
    linear: Metrics
    comparison: Comparison
    seconds: float


class Curve(BaseModel):
    """The points of a curve, fewest examples first, with the base's figures.

    ``data`` is the digest of the examples, ``validation`` that of the rows of the figures, and ``selection`` that of
    the rows which chose each best state.
    """

    model_config = ConfigDict(frozen=True)

    data: str
    validation: str
    selection: str
    seed: int
    base: Metrics
    points: tuple[Point, ...]


def check_method(options: TrainOptions) -> None:
    """Refuse a way to train that has no curve. Raises MethodError."""
    if (options.method, options.tune) != ("classify", "lora"):
        raise MethodError(
            f"postil curve trains by method classify and tune lora, not by {options.method} and {options.tune}; leave"
            " method and tune out, or train on each part by postil train"
        )


def curve(options: TrainOptions, sizes: Sequence[int], watcher: Watcher | None = None) -> Curve:
    """Train once on each number of examples; a size beyond the data stands for all of it. No adapter is kept.

    Raises what ``train`` raises, DatasetError for a size that cannot hold each label, and MethodError for a method or a
    way of tuning that has no curve.
    """
    check_method(options)
    training = load(options.data)
    chosen = sorted({min(size, len(training.examples)) for size in sizes})
    if chosen[0] < len(training.labels):
        raise DatasetError(f"{chosen[0]} examples cannot hold all {len(training.labels)} labels; name a larger size")
    order = spread(training.examples, options.seed)
    reports = [_trained(options, training, order[:size], watcher) for size in chosen]
    last = reports[-1]
    return Curve(
        data=training.digest,
        validation=str(last.validation["digest"]),
        selection=str((last.selection or last.validation)["digest"]),
        seed=options.seed,
        base=last.base_metrics,
        points=tuple(_point(size, report) for size, report in zip(chosen, reports, strict=True)),
    )


def spread(examples: Sequence[Example], seed: int) -> list[Example]:
    """Return all examples in an order whose every beginning has the labels as the whole has them.

    One of each label comes first, so that none is missing.
    """
    shuffled = random.Random(seed).sample(list(examples), len(examples))
    counts, seen = Counter(one.label for one in shuffled), Counter[str]()
    ranks: list[tuple[float, int]] = []
    for place, one in enumerate(shuffled):
        ranks.append(((seen[one.label] + 0.5) / counts[one.label] if seen[one.label] else 0.0, place))
        seen[one.label] += 1
    return [shuffled[place] for _, place in sorted(ranks)]


def _trained(options: TrainOptions, training: Dataset, part: Sequence[Example], watcher: Watcher | None) -> TrainReport:
    with tempfile.TemporaryDirectory(prefix="postil-curve-") as folder:
        data = Path(folder) / training.path.with_suffix(".jsonl").name
        data.write_text("".join(_line(one, training.field) for one in part), encoding="utf-8")
        return train(options.model_copy(update={"data": data, "out": Path(folder) / "adapter"}), watcher)


def _point(size: int, report: TrainReport) -> Point:
    assert report.linear is not None, "training always compares"
    return Point(
        examples=size,
        adapter=report.adapter_metrics,
        linear=report.linear.metrics,
        comparison=report.linear.comparison,
        seconds=report.seconds,
    )


def _line(example: Example, field: str) -> str:
    row = {
        "instruction": example.instruction,
        "input": example.message,
        "output": label_answer(field, example.label),
        "history": [{"role": role, "content": content} for role, content in example.history],
    }
    return json.dumps(row) + "\n"
