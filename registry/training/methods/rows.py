"""A method's files as token ids. All that is wrong with them is found here, before the long work."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postil.registry.errors import DatasetError
from postil.registry.training.data.reading import read_rows
from postil.registry.training.data.rows import Row, Turn
from postil.registry.training.data.similar import key
from postil.registry.training.methods.encoding import Encoded, EncodedPair, Encoder, is_learned
from postil.registry.training.methods.samples import Chat, Pair, Plain, Sample, Verdict, sample_of


@dataclass(frozen=True, slots=True)
class SampleFile:
    """The rows of one file as a method learns them, and the digest of its text."""

    path: Path
    samples: tuple[Sample, ...]
    digest: str

    def about(self) -> dict[str, Any]:
        """Return a description of the data without local paths."""
        return {"file": self.path.name, "digest": self.digest, "examples": len(self.samples)}


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one file: as ``shown`` and learned, with their pairs or verdicts where the method has such."""

    shown: tuple[Encoded, ...]
    pairs: tuple[EncodedPair, ...] = ()
    good: tuple[bool, ...] = ()


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


def encode(file: SampleFile, encoder: Encoder) -> Rows:
    """Encode the rows of a file. Raises DatasetError with file and line."""
    try:
        coded = [_encode(sample, encoder) for sample in file.samples]
    except DatasetError as error:
        raise DatasetError(f"{file.path}, {error}") from error
    pairs = tuple(row for row in coded if isinstance(row, EncodedPair))
    shown = tuple(row.chosen if isinstance(row, EncodedPair) else row for row in coded)
    good = tuple(sample.good for sample in file.samples if isinstance(sample, Verdict))
    return Rows(shown, pairs, good)


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


def _encode(sample: Sample, encoder: Encoder) -> Encoded | EncodedPair:
    match sample:
        case Chat():
            return encoder.chat(sample)
        case Plain():
            return encoder.plain(sample)
        case Pair():
            return encoder.pair(sample)
        case _:
            return encoder.verdict(sample)


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
