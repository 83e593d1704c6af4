"""A method's files as token ids. All that is wrong with them is found here, before the long work."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postil.registry.errors import DatasetError
from postil.registry.fsutil import sha256_file
from postil.registry.training.methods.encoding import Encoded, EncodedPair, Encoder
from postil.registry.training.methods.samples import Chat, Pair, Plain, Sample, Verdict, read_sample


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one file: as ``shown`` and learned, with their pairs or verdicts where the method has such."""

    shown: tuple[Encoded, ...]
    pairs: tuple[EncodedPair, ...] = ()
    good: tuple[bool, ...] = ()

    @property
    def tokens(self) -> int:
        """The number of tokens that are learned in one pass."""
        return sum(len(row.answer) for row in self.shown)


def read_samples(path: Path, method: str, limit: int | None = None) -> list[Sample]:
    """Read the rows of a file, the first ``limit`` at most. Raises DatasetError with file and line."""
    samples = []
    try:
        for line, row in _rows(path):
            if limit is not None and len(samples) >= limit:
                break
            samples.append(read_sample(method, row, line))
    except DatasetError as error:
        raise DatasetError(f"{path}, {error}") from error
    if not samples:
        raise DatasetError(f"{path} is empty; it needs one JSON object per line")
    if method == "kto" and len({sample.good for sample in samples if isinstance(sample, Verdict)}) == 1:
        raise DatasetError(
            f"{path} has answers of one kind only; --method kto needs some with true and some with false"
        )
    return samples


def encode(path: Path, samples: Sequence[Sample], encoder: Encoder) -> Rows:
    """Encode the rows of a file. Raises DatasetError with file and line."""
    try:
        coded = [_encode(sample, encoder) for sample in samples]
    except DatasetError as error:
        raise DatasetError(f"{path}, {error}") from error
    pairs = tuple(row for row in coded if isinstance(row, EncodedPair))
    shown = tuple(row.chosen if isinstance(row, EncodedPair) else row for row in coded)
    good = tuple(sample.good for sample in samples if isinstance(sample, Verdict))
    return Rows(shown, pairs, good)


def check_apart(training: Sequence[Sample], held_out: Sequence[Sample], path: Path) -> None:
    """Refuse held-out rows that are learned too. Raises DatasetError."""
    learned = {_key(sample) for sample in training}
    for sample in held_out:
        if _key(sample) in learned:
            raise DatasetError(
                f"{path}, line {sample.line}: the row is among the training rows too; take it out of one"
            )


def about(path: Path, rows: Rows) -> dict[str, Any]:
    """Return a description of the data without local paths."""
    return {"file": path.name, "digest": f"sha256:{sha256_file(path)}", "examples": len(rows.shown)}


def _encode(sample: Sample, encoder: Encoder) -> Encoded | EncodedPair:
    match sample:
        case Chat():
            return encoder.chat(sample)
        case Plain():
            return encoder.plain(sample)
        case Pair():
            return encoder.pair(sample)
        case Verdict():
            return encoder.verdict(sample)


def _key(sample: Sample) -> object:
    match sample:
        case Chat():
            return tuple(turn for turn in sample.turns if turn[0] != "assistant")
        case Plain():
            return sample.text
        case Pair() | Verdict():
            return sample.prompt


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError("it is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise DatasetError(f"which cannot be read ({error.strerror}); check the path") from error
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise DatasetError(f"line {number}: this is not a JSON object; write one per line")
        yield number, row
