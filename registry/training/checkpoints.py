"""What a run has done so far, so that it goes on after a crash, and ends as if nothing had happened.

At each validation the Trainer saves weights, optimizer, schedule and random states; beside them stands what the
validations have found. A checkpoint counts once that is written, which is last.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from postil.registry.fsutil import fsync_tree
from postil.registry.training.dataset import Example
from postil.registry.training.report import Judged, Metrics, Part

# Two, as the newest may be half written when the process ends.
KEPT = 2
# In the workplace: which run this is, and where the Trainer writes.
RUN, TRAINER = "run.json", "trainer"
_FOUND = "found.json"
_PREFIX = "checkpoint-"


def claim(workplace: Path, run: Mapping[str, Any]) -> Path | None:
    """Return the newest whole checkpoint that the same run left in ``workplace``; what another run left is deleted.

    ``run`` is all that decides the result: options, digests of data and base, versions.
    """
    said = json.dumps(run, sort_keys=True)
    if _read(workplace / RUN) != said:
        shutil.rmtree(workplace / TRAINER, ignore_errors=True)
        _write(workplace / RUN, said)
    return newest(workplace)


def newest(workplace: Path) -> Path | None:
    """Return the newest whole checkpoint in ``workplace``."""
    whole = [path.parent for path in (workplace / TRAINER).glob(f"{_PREFIX}*/{_FOUND}")]
    return max(whole, key=lambda folder: int(folder.name.removeprefix(_PREFIX)), default=None)


def folder_of(trainer: str, step: int) -> Path:
    """Return the folder of a step's checkpoint, as the Trainer names it."""
    return Path(trainer) / f"{_PREFIX}{step}"


def finish(folder: Path, metrics: Metrics, best: Sequence[Judged], parts: Sequence[Part], waited: int) -> None:
    """Write what the validations found, after which the checkpoint counts."""
    found = {
        "metrics": metrics.model_dump(),
        "best": [(one.label, one.probability, one.loss) for one in best],
        "parts": [part.model_dump() for part in parts],
        "waited": waited,
    }
    complete(folder, found)


def complete(folder: Path, found: Mapping[str, Any]) -> None:
    """Write ``found`` into a checkpoint that is on the disk, after which it counts."""
    fsync_tree(folder)
    _write(folder / _FOUND, json.dumps(found))


def found_in(folder: Path, examples: Sequence[Example]) -> tuple[Metrics, list[Judged], list[Part], int]:
    """Return what ``finish`` wrote; ``examples`` are those that were answered."""
    found = json.loads((folder / _FOUND).read_bytes())
    best = [Judged(example, *answer) for example, answer in zip(examples, found["best"], strict=True)]
    parts = [Part.model_validate(part) for part in found["parts"]]
    return Metrics.model_validate(found["metrics"]), best, parts, int(found["waited"])


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)
