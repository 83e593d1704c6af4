"""The folder of a job: its data and its result, for as long as it has not ended."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from postil.registry.defaults import REPORT
from postil.registry.errors import DatasetError, JobError
from postil.registry.jobs.methods import ANSWERS, LABELS, SPOKEN, Method, method_of
from postil.registry.jobs.options import RESULT, TRAINING, VALIDATION
from postil.registry.jobs.rows import all_faults, write_rows
from postil.registry.jobs.split import validation_lines, validation_rows
from postil.registry.training.data.reading import read_rows
from postil.registry.training.dataset import check_apart, load
from postil.registry.training.methods import sample_files
from postil.registry.training.methods.sample_files import read_samples
from postil.registry.training.options import TrainOptions

OPTIONS = "options.json"
_METHOD = "method"
_REJECT = "postil.reject"


def prepare(
    folder: Path,
    training: Path,
    validation: Path | None,
    *,
    seed: int,
    reject: str | None,
    method: Method | None = None,
) -> tuple[int, int]:
    """Put the data where the trainer takes it, split if there is no validation file; returns how many rows each has.

    Which method they are for is noted there. Raises JobError where nothing can be learned from it, with the lines of
    the files that were uploaded.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    _copy(training, folder / TRAINING, "training_file")
    if validation is not None:
        _copy(validation, folder / VALIDATION, "validation_file")
    try:
        chosen = method_of(read_rows(folder / TRAINING), method)
        (folder / _METHOD).write_text(chosen, encoding="utf-8")
        if validation is None:
            _split(folder, seed, chosen)
        return _checked(folder, reject) if chosen == LABELS else _checked_rows(folder, reject, chosen)
    except DatasetError as error:
        named = {folder / TRAINING: "training_file", folder / VALIDATION: "validation_file"}
        raise JobError(_in_openai_words(all_faults(error, named)), "training_file") from error


def method_in(folder: Path) -> Method:
    """The method that the data in a folder is for; before this was noted, all were labels."""
    try:
        noted = (folder / _METHOD).read_text(encoding="utf-8")
    except FileNotFoundError:
        return LABELS
    return next(method for method in SPOKEN if method == noted)


def plain(text: str, folder: Path) -> str:
    """A sentence without the place of the folder, and with the names that a job's options have."""
    named = text.replace(f"{folder.resolve()}/", "").replace(f"{folder}/", "")
    for option, name in (("--targets", "postil.targets"), ("--reject", "postil.reject")):
        named = named.replace(option, name)
    return _in_openai_words(named)


def _in_openai_words(text: str) -> str:
    return text.replace(f"--method {ANSWERS}", "the method supervised").replace("--method", "the method")


def write_options(folder: Path, options: TrainOptions) -> None:
    """Tell the trainer what to do; a method refuses options of others, so what was not chosen is left out."""
    (folder / OPTIONS).write_text(options.model_dump_json(indent=2, exclude_unset=True), encoding="utf-8")


def is_prepared(folder: Path) -> bool:
    """Whether the data is where the trainer takes it."""
    return (folder / TRAINING).is_file() and (folder / VALIDATION).is_file()


def result(folder: Path) -> Path | None:
    """The folder with the trained adapter, if it is there: it appears as a whole."""
    made = folder / RESULT
    return made if (made / REPORT).is_file() else None


def add_lineage(made: Path, lineage: Mapping[str, Any]) -> dict[str, Any]:
    """Write into the adapter's report where it came from; returns the report."""
    report: dict[str, Any] = json.loads((made / REPORT).read_text(encoding="utf-8"))
    report["job"] = dict(lineage)
    (made / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def remove(folder: Path) -> None:
    """Delete a job's folder with the data in it."""
    shutil.rmtree(folder, ignore_errors=True)


def _copy(path: Path, place: Path, param: str) -> None:
    try:
        shutil.copyfile(path, place)
    except FileNotFoundError as error:
        raise JobError(f"the content of {param} is not on this gateway's disk; upload the file again", param) from error


def _split(folder: Path, seed: int, method: Method) -> None:
    if method == LABELS:
        chosen = validation_lines(load(folder / TRAINING).examples, seed)
    else:
        chosen = validation_rows(read_samples(folder / TRAINING, method).samples, seed)
    rows = read_rows(folder / TRAINING).rows
    write_rows([row for row in rows if row.line in chosen], folder / VALIDATION)
    write_rows([row for row in rows if row.line not in chosen], folder / TRAINING)


def _checked(folder: Path, reject: str | None) -> tuple[int, int]:
    training, validation = load(folder / TRAINING), load(folder / VALIDATION)
    check_apart(training, validation)
    if reject is not None and reject not in training.labels:
        raise JobError(f"no example has the reject label {reject!r}; add some, or leave it out", _REJECT)
    return len(training.examples), len(validation.examples)


def _checked_rows(folder: Path, reject: str | None, method: Method) -> tuple[int, int]:
    training, validation = (read_samples(folder / name, method) for name in (TRAINING, VALIDATION))
    sample_files.check_apart(training, validation)
    if reject is not None:
        raise JobError(f"a reject label goes with labels, and the rows are {SPOKEN[method]}; leave it out", _REJECT)
    return len(training.samples), len(validation.samples)
