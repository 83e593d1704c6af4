"""Compares the ways of tuning on somebody's own rows: each is trained in a process of its own, and measured alike."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from postil.plugins.statistics.shares import wilson
from postil.registry.training.methods.one import Order
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.methods.report import Answers, MethodReport
from postil.registry.training.methods.sample_files import check_apart, read_samples
from postil.registry.training.methods.servability import TUNES, servability
from postil.registry.training.methods.used import unused

_PARAMETER_BYTES = 4


class Kind(BaseModel):
    """One way of tuning: what it cost, what it reached, and how it is served.

    ``bytes`` are those of what is served, or of the trained parameters where nothing is. ``loss`` and ``accuracy`` are
    of what is served too, and ``trained_loss`` is that before a conversion. ``failed`` says why there are no figures.
    """

    model_config = ConfigDict(frozen=True)

    tune: str
    serving: str
    failed: str | None = None
    parameters: int | None = None
    bytes: int | None = None
    peak_memory: int | None = None
    seconds: float | None = None
    loss: float | None = None
    trained_loss: float | None = None
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    forgetting: float | None = None


class Comparison(BaseModel):
    """All ways of tuning on the same rows; ``base`` is the base alone."""

    model_config = ConfigDict(frozen=True)

    base_id: str
    rows: int
    held_out: int
    steps: int
    base: Answers | None
    kinds: tuple[Kind, ...]


def compare(
    options: MethodOptions, rows: int, held_out: int, tunes: Sequence[str] = TUNES, tell: Callable[[str], object] = str
) -> Comparison:
    """Train by each of ``tunes`` with otherwise equal ``options`` (``sft``) on so many rows, and return the table.

    Nothing is kept of the adapters. Raises MethodError for a way of tuning that there is not.
    """
    servings = {tune: servability(tune).way for tune in tunes}
    kinds, base = [], None
    with tempfile.TemporaryDirectory(prefix="postil-compare-") as scratch:
        for number, (tune, way) in enumerate(servings.items(), 1):
            tell(f"{number} of {len(servings)}: {tune}")
            order = Order(options=_options(options, tune, way, Path(scratch)), rows=rows, held_out=held_out)
            found = _trained(order, Path(scratch, f"{tune}.json"))
            kinds.append(_kind(tune, way, found))
            base = found.before.answers if isinstance(found, MethodReport) else base
    return Comparison(
        base_id=options.base_name,
        rows=rows,
        held_out=held_out,
        steps=options.max_steps or 0,
        base=base,
        kinds=tuple(kinds),
    )


def check_files(options: MethodOptions, rows: int, held_out: int) -> None:
    """Read the rows once before the first way of tuning. Raises DatasetError."""
    training = read_samples(options.data, options.method, rows)
    check_apart(training, read_samples(options.validation, options.method, held_out))


def _options(options: MethodOptions, tune: str, way: str, scratch: Path) -> MethodOptions:
    """Return the options of one way of tuning, without those that it does not use."""
    given = options.model_dump(exclude_unset=True, exclude=set(unused(options.method, tune)))
    changes = {"tune": tune, "out": scratch / tune, "measure_only": way == "refused"}
    return MethodOptions.model_construct(**given | changes)  # Checked again in its process.


def _trained(order: Order, report: Path) -> MethodReport | str:
    """Return the report of a process of its own, or the last line that it said."""
    process = subprocess.run(
        [sys.executable, "-P", "-m", "postil.registry.training.methods.one", str(report)],
        input=order.model_dump_json(exclude_unset=True),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if not report.exists():
        said = process.stderr.strip().splitlines()
        return said[-1] if said else f"the process ended with status {process.returncode}"
    return MethodReport.model_validate_json(report.read_bytes())


def _kind(tune: str, way: str, found: MethodReport | str) -> Kind:
    if isinstance(found, str):
        return Kind(tune=tune, serving=way, failed=found)
    trained, served = found.trained.answers, (found.served or found.trained).answers
    right = None if served is None or served.accuracy is None else round(served.accuracy * served.rows)
    return Kind(
        tune=tune,
        serving=way,
        parameters=found.parameters,
        bytes=found.bytes or found.parameters * _PARAMETER_BYTES,
        peak_memory=found.peak_memory,
        seconds=found.seconds,
        loss=served.loss if served else None,
        trained_loss=trained.loss if trained else None,
        accuracy=served.accuracy if served else None,
        interval=wilson(right, served.rows) if served and right is not None else None,
        forgetting=found.forgetting,
    )
