"""Rows that are the same or nearly the same: within a file, between files, and with different labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from postil.registry.training.data.checks.subject import Subject
from postil.registry.training.data.report import NAMED, CheckName, DataFinding, Level, Spot
from postil.registry.training.data.rows import VARIED, Row, turns_of
from postil.registry.training.data.similar import Pair, clusters, key, near_pairs


@dataclass(frozen=True, slots=True)
class Place:
    """A row among those of all files."""

    data: Subject
    row: Row
    label: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Likenesses:
    """All rows of all files in one order, the pairs that are near, and each row's cluster."""

    places: Sequence[Place]
    pairs: Sequence[Pair]
    clusters: Sequence[int]


def likenesses(files: Iterable[Subject], threshold: float) -> Likenesses:
    """Compare all rows of all files. Raises TuneExtraMissingError."""
    places = [
        Place(data, row, label, text)
        for data in files
        for row, label, text in zip(data.rows, data.labels, data.texts, strict=True)
    ]
    pairs = near_pairs((place.text for place in places), threshold)
    return Likenesses(places, pairs, clusters(len(places), pairs))


def duplicates(found: Likenesses, training: Subject) -> Iterator[DataFinding]:
    """Find what is the same or nearly the same within each file, and what leaks from one file into another."""
    files = list({id(place.data): place.data for place in found.places}.values())
    both = [(found.places[pair.first], found.places[pair.second], pair.likeness) for pair in found.pairs]
    for data in files:
        own = [pair for pair in both if pair[0].data is data is pair[1].data and not _is_variant(pair[1])]
        yield from _within(data, own)
    for data in files:
        leaks = [pair for pair in both if pair[1].data is data and pair[0].data is not data]
        yield from _leaks(data, leaks, is_error=training.field is not None)


def contradictions(found: Likenesses) -> Iterator[DataFinding]:
    """Find near rows of one instruction that have different labels. Equal texts are errors of their lines already."""
    pairs = [(found.places[pair.first], found.places[pair.second], pair.likeness) for pair in found.pairs]
    for data in {id(place.data): place.data for place in found.places}.values():
        spots = [
            _spot(second, first, likeness)
            for first, second, likeness in pairs
            if second.data is data and _disagree(first, second) and not (first.data is data and _same(first, second))
        ]
        if spots:
            text = f"{len(spots)} rows are near to a row with another label"
            yield _finding("warning", "contradictions", data, text, "see which label is right", spots)


def _within(data: Subject, pairs: Sequence[tuple[Place, Place, float]]) -> Iterator[DataFinding]:
    same = [_spot(second, first, 1.0) for first, second, _ in pairs if _same(first, second)]
    near = [_spot(second, first, likeness) for first, second, likeness in pairs if not _same(first, second)]
    if same:
        yield _finding("warning", "duplicates", data, f"{len(same)} rows repeat an earlier one", "keep one each", same)
    if near:
        text = f"{len(near)} pairs of rows are nearly the same"
        yield _finding("note", "duplicates", data, text, "`postil data split` keeps them together", near)


def _leaks(data: Subject, pairs: Sequence[tuple[Place, Place, float]], is_error: bool) -> Iterator[DataFinding]:
    same = [_spot(second, first, 1.0) for first, second, _ in pairs if _same(first, second)]
    near = [_spot(second, first, likeness) for first, second, likeness in pairs if not _same(first, second)]
    remedy = "take them out of one of the files, or make the files with `postil data split`"
    if same:
        text = f"{len(same)} rows are in another file too"
        yield _finding("error" if is_error else "warning", "leak", data, text, remedy, same)
    if near:
        yield _finding("warning", "leak", data, f"{len(near)} rows are nearly one of another file", remedy, near)


def _is_variant(place: Place) -> bool:
    """Whether a row was made of another one, which it is then meant to be near to."""
    return place.row.origin == VARIED


def _same(one: Place, other: Place) -> bool:
    return key(one.text) == key(other.text) and _told(one) == _told(other)


def _told(place: Place) -> str:
    """The instructions of a row: the same text under another instruction is another row."""
    return key("\n".join(turn.content for turn in turns_of(place.row) if turn.role == "system"))


def _disagree(one: Place, other: Place) -> bool:
    return None not in (one.label, other.label) and one.label != other.label and _told(one) == _told(other)


def _spot(place: Place, other: Place, likeness: float) -> Spot:
    return Spot(
        line=place.row.line,
        other_line=other.row.line,
        other_file=None if other.data is place.data else other.data.name,
        likeness=round(likeness, 3),
        label=place.label,
        suggested=other.label if other.label != place.label else None,
    )


def _finding(
    level: Level, check: CheckName, data: Subject, text: str, remedy: str, spots: Sequence[Spot]
) -> DataFinding:
    return DataFinding(
        level=level,
        check=check,
        file=data.name,
        text=text,
        remedy=remedy,
        count=len(spots),
        spots=tuple(sorted(spots, key=lambda spot: (spot.line, spot.other_line))[:NAMED]),
    )
