"""Evaluates an existing adapter, trained here or elsewhere, and stores the figures with it."""

from __future__ import annotations

import codecs
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from postil.registry.base_model.model import BaseModel
from postil.registry.defaults import REPORT
from postil.registry.errors import DatasetError
from postil.registry.preflight.preflight import CONFIG, WEIGHTS, preflight
from postil.registry.training.dataset import Dataset, Example, load
from postil.registry.training.errors import OutFolderError
from postil.registry.training.options import Device
from postil.registry.training.report import Evaluation, Judged, Metrics, about, findings, measure
from postil.registry.training.train import check_libraries
from postil.registry.training.window import check_lengths

# The largest rank that vLLM supports.
_LARGEST_RANK = 512


class Onlooker(Protocol):
    """Receives the progress of an evaluation."""

    def started(self, answers: int) -> None:
        """All checks passed; that many answers follow."""

    def answered(self, more: int) -> None:
        """That many more answers are done."""


def evaluate(
    adapter: Path,
    data: Path,
    base: BaseModel,
    *,
    reject: str | None = None,
    device: Device = "auto",
    onlooker: Onlooker | None = None,
    window: int | None = None,
) -> Evaluation:
    """Answer every example of ``data`` with ``adapter`` and with its base; store figures in ``training.json``.

    Other content of that file stays. ``reject`` is the label for messages that fit no other (default: the one from
    training), ``window`` the engine's context in tokens. Raises DatasetError, PreflightError, BaseModelError,
    OutFolderError or TuneExtraMissingError.
    """
    known = _known(adapter / REPORT)
    validation = load(data)
    preflight(adapter, base, _LARGEST_RANK)
    _check_writable(adapter)
    check_libraries()
    reject = reject or known.get("reject") or (known.get("options") or {}).get("reject")
    labels = _labels(known, validation, reject)
    metrics, judged = _answers(adapter, base, validation, labels, reject, device, onlooker, window)
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
    """Read the existing report; empty if there is no valid one."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _labels(known: Mapping[str, Any], validation: Dataset, reject: str | None) -> tuple[str, ...]:
    """Return the labels that the adapter was trained with, even those that the data lacks."""
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
    window: int | None,
) -> tuple[Metrics, list[Judged]]:
    """Return the base's figures and the adapter's answers."""
    from peft import PeftModel

    from postil.registry.training.answers import judge
    from postil.registry.training.model import load_base
    from postil.registry.training.probe import lowest_layer
    from postil.registry.training.prompts import Coder

    model, tokenizer = load_base(base.path, 0, device)
    allowed = [*labels, reject] if reject is not None else labels
    coder = Coder(tokenizer, validation.field, [*validation.examples, *_one_each(validation.examples[0], allowed)])
    check_lengths(coder, [validation], window)
    lowest_layer(model, coder, 0)
    tell = onlooker.answered if onlooker else lambda more: None
    if onlooker:
        onlooker.started(2 * len(validation.examples))
    alone = measure(judge(model, coder, validation.examples, labels, tell), reject)
    with _readable(adapter) as folder:
        adapted = PeftModel.from_pretrained(model, str(folder))
    return alone, judge(adapted, coder, validation.examples, allowed, tell)


@contextmanager
def _readable(adapter: Path) -> Iterator[Path]:
    """The adapter as PEFT can read it: without the mark that some editors put before a JSON text."""
    config = (adapter / CONFIG).read_bytes()
    if not config.startswith(codecs.BOM_UTF8):
        yield adapter
        return
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / CONFIG).write_bytes(config.removeprefix(codecs.BOM_UTF8))
        (Path(scratch) / WEIGHTS).symlink_to((adapter / WEIGHTS).resolve())
        yield Path(scratch)


def _check_writable(adapter: Path) -> None:
    """Check, before the long work, that the figures can be stored. Raises OutFolderError."""
    try:
        tempfile.TemporaryFile(dir=adapter).close()
    except OSError as error:
        raise OutFolderError(
            f"{adapter} cannot be written to ({error.strerror}), and its {REPORT} gets the figures; copy it first"
        ) from error


def _one_each(example: Example, labels: Sequence[str]) -> list[Example]:
    """Return one example per label, so that every label gets its tokens."""
    return [replace(example, label=label) for label in labels]


def _write(path: Path, report: Mapping[str, Any]) -> None:
    """Write the report in one step, so that an old one is never left damaged."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(beside, path)
