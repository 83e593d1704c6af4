"""Stress sets: the held-out messages as others would write them, and texts that have none of the labels.

After the checklists of Ribeiro et al., "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList" (ACL 2020): a
slip of the keyboard should change no label. The first sets are made from the rows of the figures and a seed, and are
never written to a file, so that nobody trains on them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from postil.plugins.builtin.confidence import calibrated
from postil.plugins.statistics.shares import wilson
from postil.registry.errors import DatasetError
from postil.registry.training.data.reading import read_rows
from postil.registry.training.data.ways import WAYS
from postil.registry.training.dataset import Dataset, Example

if TYPE_CHECKING:
    from postil.registry.training.report import Judged

KEYBOARD, CASING, PHONE = "keyboard", "casing", "phone"
_WRITTEN = (KEYBOARD, CASING, PHONE)
NO_LABEL, OTHER = "no label", "other domain"
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class StressFiles:
    """What to stress with: other ways of writing, drawn by ``seed``, and files of texts that have no label here."""

    seed: int | None = None
    no_label: Path | None = None
    other: Path | None = None


@dataclass(frozen=True, slots=True)
class StressSet:
    """Rows to answer; ``changed`` is how many are written otherwise, None where the rows have no label at all."""

    name: str
    rows: Dataset
    changed: int | None = None


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Written(_Part):
    """Messages with a label, written in another ``way``: how many of them are answered right, how many held back."""

    way: str
    rows: int
    changed: int
    right: int
    accuracy: float
    interval: tuple[float, float]
    held_back: int


class Strange(_Part):
    """Texts without a label here: how many are held back, and what the others are taken for."""

    kind: str
    file: str
    rows: int
    held_back: int
    share: float
    interval: tuple[float, float]
    answered: dict[str, int]


class Stress(_Part):
    """The figures of all sets. Held back is what has the reject label or is below ``minimum``, the advised one."""

    seed: int | None
    minimum: float
    written: tuple[Written, ...]
    strange: tuple[Strange, ...]


def stress_sets(files: StressFiles, figures: Dataset, reject: str | None) -> list[StressSet]:
    """Return the sets to answer. Raises DatasetError where a file cannot be read."""
    found = [] if files.seed is None else [_written(way, figures, reject, files.seed) for way in _WRITTEN]
    named = ((NO_LABEL, files.no_label), (OTHER, files.other))
    return found + [StressSet(name, _strange(path, figures)) for name, path in named if path is not None]


def _written(way: str, figures: Dataset, reject: str | None, seed: int) -> StressSet:
    rows = [example for example in figures.examples if example.label != reject]
    made = [replace(row, message=_as_others_write(row, way, seed)) for row in rows]
    changed = sum(one.message != other.message for one, other in zip(rows, made, strict=True))
    return StressSet(way, replace(figures, examples=tuple(made)), changed)


def _as_others_write(row: Example, way: str, seed: int) -> str:
    """Return the message in another way of writing; as it is where nothing would be left of it."""
    return WAYS[way](row.message, random.Random(f"{seed}:{way}:{row.line}")).strip() or row.message


def _strange(path: Path, figures: Dataset) -> Dataset:
    """Return what the rows of a file ask, under the instruction of the figures; any label stands for none."""
    first, file = figures.examples[0], read_rows(path)
    asked = [(row.line, row.asked.strip()) for row in file.rows]
    rows = tuple(Example(first.instruction, text, first.label, line) for line, text in asked if text)
    if not rows:
        raise DatasetError(f'{path} asks nothing; write one text per line, as {{"text": ...}}')
    return replace(figures, path=path, examples=rows, digest=file.digest)


def stressed(
    files: StressFiles,
    sets: Sequence[StressSet],
    answers: Sequence[Sequence[Judged]],
    reject: str | None,
    temperature: float,
    minimum: float,
) -> Stress | None:
    """Count the answers to each set; None where there is none."""
    if not sets:
        return None

    def held_back(one: Judged) -> bool:
        return one.label == reject or calibrated(one.probability, temperature) < minimum

    figures = list(_figures(sets, answers, [[held_back(one) for one in judged] for judged in answers]))
    return Stress(
        seed=files.seed,
        minimum=minimum,
        written=tuple(one for one in figures if isinstance(one, Written)),
        strange=tuple(one for one in figures if isinstance(one, Strange)),
    )


def _figures(
    sets: Sequence[StressSet], answers: Sequence[Sequence[Judged]], held: Sequence[Sequence[bool]]
) -> Iterator[Written | Strange]:
    for one, judged, back in zip(sets, answers, held, strict=True):
        common: dict[str, Any] = {"rows": len(judged), "held_back": sum(back)}
        if one.changed is None:
            left = Counter(answer.label for answer, is_held in zip(judged, back, strict=True) if not is_held)
            share, interval = _share(sum(back), len(judged))
            yield Strange(
                kind=one.name,
                file=one.rows.path.name,
                share=share,
                interval=interval,
                answered=dict(left.most_common()),
                **common,
            )
        else:
            right = sum(answer.right for answer in judged)
            share, interval = _share(right, len(judged))
            yield Written(way=one.name, changed=one.changed, right=right, accuracy=share, interval=interval, **common)


def _share(hits: int, count: int) -> tuple[float, tuple[float, float]]:
    low, high = wilson(hits, count)
    return round(hits / count, _DIGITS), (round(low, _DIGITS), round(high, _DIGITS))
