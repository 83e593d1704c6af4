"""A method's files as token ids. What is wrong with them is found here, before the long work."""

from __future__ import annotations

from dataclasses import dataclass

from postil.registry.errors import DatasetError
from postil.registry.training.methods.encoding import Encoded, EncodedPair, Encoder
from postil.registry.training.methods.sample_files import SampleFile
from postil.registry.training.methods.samples import Chat, Pair, Plain, Sample, Verdict


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one file: as ``shown`` and learned, with their pairs or verdicts where the method has such."""

    shown: tuple[Encoded, ...]
    pairs: tuple[EncodedPair, ...] = ()
    good: tuple[bool, ...] = ()


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
