"""Evaluate an adapter that is there already, trained here or elsewhere, and keep the figures beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from postil.registry.base_model.model import BaseModel
from postil.registry.defaults import REPORT
from postil.registry.errors import DatasetError
from postil.registry.preflight.preflight import preflight
from postil.registry.training.dataset import Dataset, Example, load
from postil.registry.training.options import Device
from postil.registry.training.report import Evaluation, Judged, Metrics, about, findings, measure
from postil.registry.training.train import check_libraries

# The largest rank that vLLM serves.
_LARGEST_RANK = 512


class Onlooker(Protocol):
    """Told how far an evaluation is."""

    def started(self, answers: int) -> None:
        """Nothing was refused; so many answers follow."""

    def answered(self, more: int) -> None:
        """So many more are there."""


def evaluate(
    adapter: Path,
    data: Path,
    base: BaseModel,
    *,
    reject: str | None = None,
    device: Device = "auto",
    onlooker: Onlooker | None = None,
) -> Evaluation:
    """Answer every example of ``data`` by ``adapter`` and by its base; the figures go into its ``training.json``.

    What that holds of its training stays. ``reject`` is the label of what belongs to no other; the one that the adapter
    was trained with if left out. Raises DatasetError, PreflightError, BaseModelError or TuneExtraMissingError.
    """
    known = _known(adapter / REPORT)
    validation = load(data)
    preflight(adapter, base, _LARGEST_RANK)
    check_libraries()
    reject = reject or known.get("reject") or (known.get("options") or {}).get("reject")
    labels = _labels(known, validation, reject)
    metrics, judged = _answers(adapter, base, validation, labels, reject, device, onlooker)
    found = Evaluation(
        base=base.id,
        field=validation.field,
        labels=labels,
        reject=reject,
        instruction=validation.examples[0].instruction,
        validation=about(validation),
        base_metrics=metrics,
        **findings(judged, reject),
    )
    _write(adapter / REPORT, {**known, **found.model_dump(mode="json")})
    return found


def _known(path: Path) -> Mapping[str, Any]:
    """What stands there already; nothing where there is none, or what no report is."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _labels(known: Mapping[str, Any], validation: Dataset, reject: str | None) -> tuple[str, ...]:
    """The labels that the adapter was trained for, whether or not the data shows them all."""
    shown = set(validation.labels) - {reject}
    trained = known.get("labels")
    if not isinstance(trained, list) or not all(isinstance(label, str) for label in trained):
        return tuple(sorted(shown))
    if unknown := shown - set(trained):
        raise DatasetError(
            f"{validation.path} has the label {min(unknown)!r}, for which the adapter was not trained"
            f" ({', '.join(trained)}); take it out, or name it with --reject"
        )
    return tuple(sorted(trained))


def _answers(
    adapter: Path,
    base: BaseModel,
    validation: Dataset,
    labels: Sequence[str],
    reject: str | None,
    device: Device,
    onlooker: Onlooker | None,
) -> tuple[Metrics, list[Judged]]:
    """The base's figures, and the adapter's answers."""
    from peft import PeftModel

    from postil.registry.training.answers import judge
    from postil.registry.training.model import load_base
    from postil.registry.training.prompts import Coder

    model, tokenizer = load_base(base.path, 0, device)
    allowed = [*labels, reject] if reject is not None else labels
    coder = Coder(tokenizer, validation.field, [*validation.examples, *_one_each(validation.examples[0], allowed)])
    tell = onlooker.answered if onlooker else lambda more: None
    if onlooker:
        onlooker.started(2 * len(validation.examples))
    alone = measure(judge(model, coder, validation.examples, labels, tell), reject)
    adapted = PeftModel.from_pretrained(model, str(adapter))
    return alone, judge(adapted, coder, validation.examples, allowed, tell)


def _one_each(example: Example, labels: Sequence[str]) -> list[Example]:
    """Every label at least once, so that each has its tokens."""
    return [replace(example, label=label) for label in labels]


def _write(path: Path, report: Mapping[str, Any]) -> None:
    """In one step: a report that was there stays whole whatever happens."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(beside, path)
