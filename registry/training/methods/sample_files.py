"""A method's files: their rows as the method learns them, and what they ask. Needs no library of training."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postil.registry.errors import DatasetError
from postil.registry.training.data.reading import read_rows
from postil.registry.training.data.rows import Row, Turn
from postil.registry.training.data.similar import Pair as Near
from postil.registry.training.data.similar import key
from postil.registry.training.methods.samples import Chat, Plain, Sample, Verdict, is_learned, sample_of


@dataclass(frozen=True, slots=True)
class SampleFile:
    """The rows of one file as a method learns them, and the digest of its text."""

    path: Path
    samples: tuple[Sample, ...]
    digest: str

    def about(self) -> dict[str, Any]:
        """Return a description of the data without local paths."""
        return {"file": self.path.name, "digest": self.digest, "examples": len(self.samples)}


def read_samples(path: Path, method: str, limit: int | None = None) -> SampleFile:
    """Read the rows of a file, ``limit`` at most, spread over it. Raises DatasetError with file and line."""
    file = read_rows(path)
    try:
        samples = tuple(sample_of(method, row) for row in _spread(file.rows, limit))
    except DatasetError as error:
        raise DatasetError(f"{path}: {error}; it has {file.form}") from error
    if method == "kto" and len({sample.good for sample in samples if isinstance(sample, Verdict)}) == 1:
        raise DatasetError(f"{path} has answers of one kind only; --method kto needs both true and false labels")
    return SampleFile(path, samples, file.digest)


def _spread(rows: Sequence[Row], limit: int | None) -> list[Row]:
    """Return ``limit`` of the rows, from all over the file: it may be sorted by label."""
    count = min(limit or len(rows), len(rows))
    return [rows[place * len(rows) // count] for place in range(count)]


def check_apart(training: SampleFile, held_out: SampleFile) -> None:
    """Refuse held-out rows that ask what is learned too. Raises DatasetError."""
    learned = {asked: sample.line for sample in training.samples for asked in _keys(sample)}
    for sample in held_out.samples:
        for asked in _keys(sample):
            if asked in learned:
                raise DatasetError(
                    f"{held_out.path}, line {sample.line}: the same is asked in {training.path}, line {learned[asked]};"
                    " take it out of one of them"
                )


def asked_in(sample: Sample) -> tuple[Hashable, ...]:
    """Return all that a row asks: rows with one of it in common may not be in two files."""
    return tuple(_keys(sample))


def same_asked(samples: Sequence[Sample]) -> Iterator[Near]:
    """Give the pairs of rows, by their numbers, that ask the same; of many that do, each with the first."""
    first: dict[Hashable, int] = {}
    for number, sample in enumerate(samples):
        for asked in asked_in(sample):
            if (before := first.setdefault(asked, number)) != number:
                yield Near(before, number, 1.0)


def _keys(sample: Sample) -> Iterator[Hashable]:
    """What is asked: of a conversation, all that was said before each answer that is learned."""
    match sample:
        case Chat():
            for at, turn in enumerate(sample.turns):
                if is_learned(turn):
                    yield _asked(sample.turns[:at])
        case Plain():
            yield key(sample.text)
        case _:
            yield _asked(sample.prompt)


def _asked(turns: Sequence[Turn]) -> Hashable:
    """Texts without case and spacing. The same question is the same under other instructions."""
    said = [turn for turn in turns if turn.role != "system"]
    return tuple(key(turn.content) for turn in said or turns)
