"""Makes a router: reads the rows, trains, writes the file, measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postil.registry.training.data.writing import check_free, write_text
from postil.registry.training.router.fit import train
from postil.registry.training.router.report import RouterReport, measure
from postil.registry.training.router.rows import read_data


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a router is to promise, and how its rows are read.

    At most ``error`` of what it sends goes to a wrong model, with ``confidence``; rows with the label
    ``reject`` are left out.
    """

    reject: str | None = None
    error: float = 0.1
    confidence: float = 0.95
    seed: int = 0


def make_router(
    data: Sequence[str],
    held_out: Sequence[str],
    out: Path,
    wanted: Wanted,
    words: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> RouterReport:
    """Train a router on files named ``MODEL=FILE`` or ``FILE``, write it to ``out``, and say how good it is.

    ``words`` are those of the router ``keywords``, which is measured beside it. Raises DatasetError,
    TuneExtraMissingError.
    """
    check_free(out, overwrite)
    read = read_data(data, held_out, wanted.reject, wanted.seed)
    model, promise = train(read, wanted.error, wanted.confidence)
    text = model.file.model_dump_json(indent=1) + "\n"
    report = measure(
        model,
        read,
        promise,
        wanted=(wanted.error, wanted.confidence),
        words=words,
        file=str(out),
        size=len(text.encode()),
    )
    write_text(out, text)
    return report
