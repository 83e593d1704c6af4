"""A small trained classifier of dangers: words, parts of words, and what words are about, each with a weight.

Whole numbers of one byte, made by ``deploy/checks/train_emergency.py``. Two words that are about the same (in six
languages: ``emergency_concepts.txt``) count alike. A text is looked at in overlapping windows, in time in proportion to
its length.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from itertools import accumulate
from math import sqrt

from postil.plugins.recognition.word_features import BUCKETS, Concepts, features, unpacked, words_of

# How much one is in whole numbers.
SCALE = 24
# So many words are seen together; the next window begins half of it later.
WORDS = 40


def windows(words: int) -> Iterator[tuple[int, int]]:
    """The parts of a text that are looked at, each of at most ``WORDS`` words."""
    yield 0, min(words, WORDS)
    for start in range(WORDS // 2, words - WORDS // 2, WORDS // 2):
        yield start, min(words, start + WORDS)


class DangerModel:
    """Scores texts by weights from a file beside this one: a bias and ``BUCKETS`` numbers of one byte."""

    def __init__(self, name: str) -> None:
        self._concepts = Concepts("emergency_concepts.txt")
        data = resources.files(__package__).joinpath(name).read_bytes()
        self._bias = int.from_bytes(data[:4], "big", signed=True) / SCALE
        self._weights = unpacked(data[4:], BUCKETS)

    def score(self, text: str) -> float:
        """How much speaks for a danger in the window where most does: more than 0 is an alarm."""
        found = features(words_of(text), self._concepts)
        weights = self._weights
        sums = [0, *accumulate(sum(map(weights.__getitem__, some)) for some in found)]
        sizes = [0, *accumulate(map(len, found))]
        most = max(
            (sums[end] - sums[start]) / sqrt(max(sizes[end] - sizes[start], 1)) for start, end in windows(len(found))
        )
        return self._bias + most / SCALE
