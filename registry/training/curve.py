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
from postil.registry.training.baselines import linear
from postil.registry.training.dataset import Dataset, Example, load
from postil.registry.training.options import TrainOptions
from postil.registry.training.progress import Watcher
from postil.registry.training.report import Metrics, measure
from postil.registry.training.train import check_libraries, train


class Point(BaseModel):
    """The figures of an adapter, and of a linear model, that were trained on ``examples``."""

    model_config = ConfigDict(frozen=True)

    examples: int
    adapter: Metrics
    linear: Metrics
    seconds: float


class Curve(BaseModel):
    """The points of a curve, fewest examples first, with the base's figures; all are taken on the validation file."""

    model_config = ConfigDict(frozen=True)

    data: str
    validation: str
    seed: int
    base: Metrics
    points: tuple[Point, ...]


def curve(options: TrainOptions, sizes: Sequence[int], watcher: Watcher | None = None) -> Curve:
    """Train once on each number of examples; a size beyond the data stands for all of it. No adapter is kept.

    Raises what ``train`` raises, and DatasetError for a size that cannot hold each label.
    """
    training, validation = load(options.data), load(options.validation)
    check_libraries(["sklearn"])
    chosen = sorted({min(size, len(training.examples)) for size in sizes})
    if chosen[0] < len(training.labels):
        raise DatasetError(f"{chosen[0]} examples cannot hold all {len(training.labels)} labels; name a larger size")
    order = spread(training.examples, options.seed)
    points, base = [], None
    for size in chosen:
        point, base = _point(options, training, order[:size], validation, watcher)
        points.append(point)
    assert base is not None, "there is a size"
    return Curve(data=training.digest, validation=validation.digest, seed=options.seed, base=base, points=tuple(points))


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


def _point(
    options: TrainOptions, training: Dataset, part: Sequence[Example], validation: Dataset, watcher: Watcher | None
) -> tuple[Point, Metrics]:
    with tempfile.TemporaryDirectory(prefix="postil-curve-") as folder:
        data = Path(folder) / training.path.with_suffix(".jsonl").name
        data.write_text("".join(_line(one, training.field) for one in part), encoding="utf-8")
        report = train(options.model_copy(update={"data": data, "out": Path(folder) / "adapter"}), watcher)
        judged = linear(load(data), validation.examples)
    return (
        Point(
            examples=len(part),
            adapter=report.adapter_metrics,
            linear=measure(judged, options.reject),
            seconds=report.seconds,
        ),
        report.base_metrics,
    )


def _line(example: Example, field: str) -> str:
    row = {
        "instruction": example.instruction,
        "input": example.message,
        "output": label_answer(field, example.label),
        "history": [{"role": role, "content": content} for role, content in example.history],
    }
    return json.dumps(row) + "\n"
