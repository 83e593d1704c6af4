"""A small trained classifier of texts: hashed words, pairs of words and parts of words, each with a weight.

Whole numbers only, so that it says the same on every machine. Its weights are a file of ours, made by
``deploy/checks/train_injection.py``; it looks at a text in overlapping windows, and takes time in proportion to it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import accumulate
from zlib import crc32

from postil.plugins.recognition.injection_concepts import Concepts
from postil.plugins.recognition.injection_spelling import misspellings

# How many weights there are, how much one is that makes a text e times as likely, and how many words are seen together.
BUCKETS = 1 << 16
SCALE = 24
WORDS = 28
_MASK = BUCKETS - 1
_STEP = 7
# With so many words before it a word makes pairs.
_PAIRS = 3
_MEANT = misspellings()
# So many concepts before a word, and so far away, make something with its own.
_BEFORE, _REACH = 4, 10
# What is longer is an address, a key or a language without spaces: its first characters are enough.
_LONGEST = 32
# Two Chinese, Japanese or Korean letters count as a word.
_WORD = re.compile(
    r"[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff]{1,2}|[^\W\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff]+|[:!?<>{}\[\]#]"
)


@dataclass(frozen=True, slots=True)
class _Word:
    """A word's bytes, its own numbers, and the checksums that its pairs with the words after it go on from."""

    said: bytes
    alone: list[int]
    next_to: int
    near: int
    concept: str | None


def words_of(text: str) -> list[str]:
    """The words and telling marks of a text that ``folding.plain`` made."""
    return [_MEANT.get(word, word[:_LONGEST]) for word in _WORD.findall(text)]


def features(words: Sequence[str], concepts: Concepts) -> list[list[int]]:
    """For each word, the numbers of what it adds: itself, its parts, and what it makes with the words before."""
    found: list[list[int]] = []
    told: list[tuple[int, str]] = []
    # What is made to cost time says the same short words over and over.
    known: dict[str, _Word] = {}
    made: dict[tuple[str, ...], list[int]] = {}
    starts: list[int] = []  # Where the numbers of a word's pairs begin: with the word next to it, and those before.
    nears: list[int] = []
    for at, text in enumerate(words):
        word = known.get(text)
        if word is None:
            word = known[text] = _word(text, concepts)
        said = word.said
        some = word.alone + [crc32(said, start) & _MASK for start in starts]
        if at == 0:
            some.append(_bucket(f"^{text}"))
        if word.concept is not None:
            told = [one for one in told[-_BEFORE:] if at - one[0] <= _REACH]
            talk = (*(concept for _, concept in told), word.concept)
            if talk not in made:
                made[talk] = _together(*talk)
            some += made[talk]
            told.append((at, word.concept))
        starts = [word.next_to, *nears]
        nears = [word.near, *nears[: _PAIRS - 2]]
        found.append(some)
    return found


def _word(text: str, concepts: Concepts) -> _Word:
    said = text.encode()
    alone = [_bucket(f"1{text}"), *(_bucket(f"p{part}") for part in _parts(text))]
    return _Word(said, alone, crc32(b"2%b " % said), crc32(b"s%b " % said), concepts.of(text))


def _together(*talk: str) -> list[int]:
    """What the last of some concepts adds: itself, and what it makes with those shortly before."""
    *before, concept = talk
    some = [_bucket(f"c{concept}"), *(_bucket(f"d{one} {concept}") for one in before)]
    if len(before) > 1:
        some.append(_bucket(f"e{before[-2]} {before[-1]} {concept}"))
    return some


def windows(words: int) -> Iterator[tuple[int, int]]:
    """The parts of a text that are looked at, each of at most ``WORDS`` words."""
    yield 0, min(words, WORDS)
    for start in range(_STEP, max(0, words - WORDS + _STEP), _STEP):
        yield start, min(words, start + WORDS)


class WordModel:
    """Scores texts by weights from a file beside this one: a scale, a bias and ``BUCKETS`` numbers of one byte."""

    def __init__(self, name: str) -> None:
        self._concepts = Concepts()
        data = resources.files(__package__).joinpath(name).read_bytes()
        self._bias = int.from_bytes(data[:4], "big", signed=True)
        self._weights = memoryview(zlib.decompress(data[4:])).cast("b")

    def score(self, text: str) -> int:
        """How much speaks for it: the highest sum of a window. More than 0 is more likely than not."""
        words = words_of(text)
        weights = self._weights
        sums = [0, *accumulate(sum(map(weights.__getitem__, some)) for some in features(words, self._concepts))]
        return self._bias + max(sums[end] - sums[start] for start, end in windows(len(words)))


def _parts(word: str) -> Iterator[str]:
    """Four letters each of a longer word, so that a misspelt word is still alike."""
    if len(word) > 4:
        edged = f"<{word}>"
        yield from (edged[at : at + 4] for at in range(len(edged) - 3))


def _bucket(feature: str) -> int:
    return crc32(feature.encode()) & _MASK
