"""Train by a method: ``run(options)`` reads the rows, shows three, tunes, measures, and writes a folder."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postil.registry.base_model.model import BaseModel, read_base
from postil.registry.defaults import REPORT
from postil.registry.fsutil import sha256_file
from postil.registry.preflight.preflight import WEIGHTS
from postil.registry.training.checkpoints import claim
from postil.registry.training.errors import OutFolderError
from postil.registry.training.files import check_out, workplace
from postil.registry.training.methods.disk import disk_bytes
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.methods.progress import Onlooker, Quiet
from postil.registry.training.methods.report import Measured, MethodReport
from postil.registry.training.methods.rows import encode
from postil.registry.training.methods.sample_files import SampleFile, check_apart, read_samples
from postil.registry.training.methods.servability import PREFERENCES, Servability, check_servable, servability
from postil.registry.training.methods.start import as_started
from postil.registry.training.methods.tasks import Task, read_task
from postil.registry.training.methods.used import check_used
from postil.registry.training.train import LIBRARIES, check_libraries

if TYPE_CHECKING:
    from postil.registry.training.methods.session import Session

_NEEDED = (*LIBRARIES, "trl", "datasets")
# A report records settings, not local paths.
_PATHS = {"data", "validation", "base", "out", "start", "held_out", "overwrite", "window"}


@dataclass(frozen=True, slots=True)
class _Job:
    """What a run knows before its first step."""

    options: MethodOptions
    base: BaseModel
    serving: Servability
    task: Task
    training: SampleFile
    validation: SampleFile
    others: SampleFile | None

    @property
    def held_out(self) -> SampleFile:
        """The rows that give the figures: where there are no others, those that choose the best state."""
        return self.others or self.validation

    def decides(self) -> dict[str, Any]:
        """Return what decides the result: with the same of it, a run may go on where another ended."""
        options = self.options
        return {
            "options": _settings(options),
            "data": [self.training.about(), self.validation.about()],
            "start": options.start and sha256_file(options.start / WEIGHTS),
            "base": self.base.revision,
            "libraries": _versions() | {"postil": importlib.metadata.version("postil")},
        }


def run(
    options: MethodOptions, onlooker: Onlooker | None = None, rows: int | None = None, held_out: int | None = None
) -> MethodReport:
    """Train with ``options``, write the adapter to ``options.out`` and return the figures.

    ``rows`` and ``held_out`` take so many rows of each file only. Raises DatasetError, MethodError, ShapeError,
    PreflightError, BaseModelError, OutFolderError or TuneExtraMissingError, all before the long work.
    """
    begun = time.monotonic()
    check_servable(options.method, options.tune, measure_only=options.measure_only)
    check_used(options)
    job = _prepared(options, rows, held_out)
    out = Path(os.path.abspath(options.out))
    check_out(out, options.overwrite)
    check_method_libraries()
    size = disk_bytes(job.options, job.base)
    with _offline(), workplace(out, size) as scratch:
        report, adapter = _trained(job, onlooker or Quiet(), scratch, begun)
        return report if options.measure_only else _placed(report, adapter, out, scratch)


def check_method_libraries() -> None:
    """Check that the libraries of the methods are installed. Raises TuneExtraMissingError."""
    check_libraries(_NEEDED)


def _prepared(options: MethodOptions, rows: int | None, held: int | None) -> _Job:
    training = read_samples(options.data, options.method, rows)
    validation = read_samples(options.validation, options.method, held)
    others = None if options.held_out is None else read_samples(options.held_out, options.method, held)
    check_apart(training, validation)
    if others is not None:
        check_apart(training, others)
        check_apart(validation, others)
    base = read_base(options.base, options.base_name)
    options, task = as_started(options, base), read_task(training.samples, (others or validation).samples)
    return _Job(options, base, servability(options.tune), task, training, validation, others)


def _trained(job: _Job, onlooker: Onlooker, scratch: Path, begun: float) -> tuple[MethodReport, Path]:
    from postil.registry.training.methods.session import Session

    options = job.options
    onlooker.said(f"--tune {options.tune}: {job.serving.sentence}.")
    session = Session(options, job.task, scratch)
    training = encode(job.training, session.encoder)
    validation = encode(job.validation, session.encoder)
    held_out = validation if job.others is None else encode(job.others, session.encoder)
    for number, text in enumerate(session.shown(training.shown), 1):
        about = "what is learned stands in brackets" if number == 1 else "likewise"
        onlooker.showed(f"row {number} ({about}):\n{text}")
    before = session.begin(held_out)
    checkpoint = claim(scratch, job.decides())
    if checkpoint is not None:
        onlooker.said("An earlier run of the same was ended; this one goes on from its last checkpoint.")
    session.fit(training, validation, onlooker, checkpoint)
    trained = session.measure(held_out)
    adapter = scratch / "adapter"
    served = None if options.measure_only else session.write(adapter, held_out)
    return _report(job, session, (before, trained, served), begun), adapter


def _report(
    job: _Job,
    session: Session,
    measured: tuple[Measured, Measured, Measured | None],
    begun: float,
) -> MethodReport:
    options, (before, trained, served) = job.options, measured
    final = (served or trained).answers
    reference, digest = _reference(job)
    return MethodReport(
        method=options.method,
        tune=options.tune,
        serving=job.serving.way,
        base=options.base_name,
        base_digest=job.base.revision,
        reference=reference,
        reference_digest=digest,
        labels=job.task.labels,
        field=job.task.field,
        instruction=job.task.instruction,
        data=job.training.about(),
        validation=job.held_out.about(),
        selection=job.validation.about(),
        notes=_notes(job, session),
        options=_settings(options),
        libraries=_versions(),
        before=before,
        trained=trained,
        served=served,
        accuracy=final.accuracy if final else None,
        seconds=round(time.monotonic() - begun, 1),
        **session.figures(),
    )


def _settings(options: MethodOptions) -> dict[str, Any]:
    return options.model_dump(mode="json", exclude=_PATHS) | {"learning_rate": options.highest_rate}


def _notes(job: _Job, session: Session) -> tuple[str, ...]:
    if job.others is not None:
        return (f"The best state was chosen on {job.validation.path.name}; the figures are on other rows.",)
    if session.looks < 2:
        return ()
    return (
        f"The best of {session.looks} states was chosen on these rows too, so the figures are better than on new ones;"
        " name others with --held-out.",
    )


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _NEEDED}


def _reference(job: _Job) -> tuple[str | None, str | None]:
    """Return what preferences were measured against: the base, or the adapter that training began with."""
    options = job.options
    if options.method not in PREFERENCES:
        return None, None
    if options.start is None:
        return options.base_name, job.base.revision
    return options.start.name, f"sha256:{sha256_file(options.start / WEIGHTS)}"


@contextmanager
def _offline() -> Iterator[None]:
    """Keep the libraries from asking a hub about the base, and from telling anybody of the run."""
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        yield
    finally:
        del os.environ["HF_HUB_OFFLINE"]
        if before is not None:
            os.environ["HF_HUB_OFFLINE"] = before


def _placed(report: MethodReport, adapter: Path, out: Path, scratch: Path) -> MethodReport:
    """Put the adapter with its report at ``out``, replacing an earlier result.

    Where that fails, it is saved among the temporary files. Raises OutFolderError, which says where.
    """
    report = report.model_copy(update={"bytes": (adapter / WEIGHTS).stat().st_size})
    try:
        (adapter / REPORT).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
        with suppress(FileNotFoundError):
            out.rename(scratch / "former")
        adapter.rename(out)
    except OSError as error:
        saved = Path(tempfile.mkdtemp(prefix="postil-train-")) / "adapter"
        shutil.copytree(adapter, saved)
        raise OutFolderError(
            f"{out} cannot be written ({error.strerror}); the adapter is saved in {saved}, move it from there"
        ) from error
    return report
