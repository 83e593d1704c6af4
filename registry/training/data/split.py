"""Splits a file for training, validation, calibration and the held-out test.

Rows that are nearly the same stay together, because a model that has seen one knows the other; each label gets its
share of every part.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postil.registry.errors import DatasetError
from postil.registry.training.data.checks.subject import labels_of
from postil.registry.training.data.held_out import HELD_OUT, is_held_out, marked
from postil.registry.training.data.reading import DataFile, read_rows
from postil.registry.training.data.report import Frozen
from postil.registry.training.data.rows import compared
from postil.registry.training.data.similar import THRESHOLD, clusters, near_pairs
from postil.registry.training.data.writing import check_free, json_lines, text_digest, write_text

PARTS = ("train", "validation", "calibration", HELD_OUT)
SHARES = (70.0, 10.0, 10.0, 10.0)
REPORT = "split.json"


class Part(Frozen):
    """One part of a split: its file, rows and labels, and the digest of its text."""

    name: str
    file: str
    rows: int
    digest: str
    labels: dict[str, int]


class SplitReport(Frozen):
    """What a split made of which file, and how: with the same values it is made again."""

    source: str
    source_digest: str
    rows: int
    groups: int
    largest_group: int
    shares: tuple[float, ...]
    seed: int
    threshold: float
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows that stay together, and the label that most of them have."""

    rows: tuple[int, ...]
    label: str


def split(
    path: Path,
    out: Path,
    *,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
    threshold: float = THRESHOLD,
    overwrite: bool = False,
) -> SplitReport:
    """Write the parts of ``path`` and a report to the folder ``out``; a part with no share is left out.

    Raises DatasetError, TuneExtraMissingError.
    """
    _check_shares(shares)
    file = read_rows(path)
    _refuse_held_out(file)
    names = [name for name, share in zip(PARTS, shares, strict=True) if share > 0]
    for place in [out / REPORT, *(out / f"{name}.jsonl" for name in names)]:
        check_free(place, overwrite)
    labels = labels_of(file)
    grouped = clusters(len(file.rows), near_pairs(map(compared, file.rows), threshold))
    where = assign(grouped, [label or "" for label in labels], shares, seed)
    parts = tuple(_write(file, out, name, labels, where) for name in names)
    report = SplitReport(
        source=path.name,
        source_digest=file.digest,
        rows=len(file.rows),
        groups=len(set(grouped)),
        largest_group=max(Counter(grouped).values()),
        shares=tuple(shares),
        seed=seed,
        threshold=threshold,
        parts=parts,
    )
    write_text(out / REPORT, report.model_dump_json(indent=2) + "\n")
    return report


def assign(grouped: Sequence[int], labels: Sequence[str], shares: Sequence[float], seed: int) -> list[str]:
    """Return for each row the name of its part, by its group and its label.

    For the groups of each label every part gets its share of their rows, to within three times the largest group:
    a group goes where most is missing, the largest first, in an order that the seed decides.
    """
    where = [""] * len(grouped)
    chance = random.Random(seed)
    for groups in _strata(grouped, labels).values():
        total = sum(len(group.rows) for group in groups)
        missing = [total * share / sum(shares) for share in shares]
        chance.shuffle(groups)
        for group in sorted(groups, key=lambda group: -len(group.rows)):
            most = max(range(len(PARTS)), key=lambda part: (shares[part] > 0, missing[part]))
            missing[most] -= len(group.rows)
            for row in group.rows:
                where[row] = PARTS[most]
    return where


def _strata(grouped: Sequence[int], labels: Sequence[str]) -> Mapping[str, list[_Group]]:
    """The groups by the label that most of their rows have."""
    members: dict[int, list[int]] = defaultdict(list)
    for row, group in enumerate(grouped):
        members[group].append(row)
    strata: dict[str, list[_Group]] = defaultdict(list)
    for rows in members.values():
        counts = Counter(labels[row] for row in rows)
        label = min(counts, key=lambda name: (-counts[name], name))
        strata[label].append(_Group(tuple(rows), label))
    return dict(sorted(strata.items()))


def _write(file: DataFile, out: Path, name: str, labels: Sequence[str | None], where: Sequence[str]) -> Part:
    numbers = [number for number, part in enumerate(where) if part == name]
    rows: list[Mapping[str, Any]] = [file.rows[number].raw for number in numbers]
    text = json_lines(map(marked, rows) if name == HELD_OUT else rows)
    path = out / f"{name}.jsonl"
    write_text(path, text)
    counts = Counter(label for number in numbers if (label := labels[number]) is not None)
    found = dict(sorted(counts.items()))
    return Part(name=name, file=path.name, rows=len(numbers), digest=text_digest(text), labels=found)


def _check_shares(shares: Sequence[float]) -> None:
    if len(shares) != len(PARTS) or not all(0 <= share < float("inf") for share in shares) or shares[0] <= 0:
        raise DatasetError(
            f"the shares have to be {len(PARTS)} numbers from 0 on, for {', '.join(PARTS)}, the first above 0;"
            " write them as 70,10,10,10"
        )


def _refuse_held_out(file: DataFile) -> None:
    if any(map(is_held_out, file.rows)):
        raise DatasetError(
            f"{file.path} has rows that are held out; they are not to be learned from, so leave it whole"
        )
