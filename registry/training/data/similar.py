"""Texts that are nearly the same: the Jaccard index of their four-character pieces.

Candidates are found by MinHash (datasketch), so that a file of any size is compared in time; each is then measured
exactly. Case, blanks and hidden characters do not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from postil.registry.text import spelling
from postil.registry.training.data.libraries import NEAR, require

THRESHOLD = 0.5
_PIECE = 4
_HASHES = 128
# Candidates are looked for a little below the threshold, and missing one weighs more than measuring one in vain.
_MARGIN = 0.1
_WEIGHTS = (0.1, 0.9)
_LEAST = 0.05


@dataclass(frozen=True, slots=True)
class Near:
    """A text that is near to another: the other's number, and how alike they are, 0 to 1."""

    other: int
    likeness: float


def key(text: str) -> str:
    """The text without case, blanks and ways of encoding; texts with equal keys are the same."""
    return spelling(text.casefold())


def pieces(text: str) -> frozenset[str]:
    """The pieces of four characters of a text; a shorter text is its own piece."""
    whole = key(text)
    return frozenset(whole[at : at + _PIECE] for at in range(max(1, len(whole) - _PIECE + 1)))


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """The Jaccard index: pieces that both have, of those that either has."""
    return len(one & other) / len(one | other)


class NearIndex:
    """Texts, numbered as they are added, that can be asked for those near to a text."""

    def __init__(self, lookup: Any, threshold: float) -> None:
        self._lookup = lookup
        self._threshold = threshold
        self._pieces: list[frozenset[str]] = []
        self._numbers: dict[str, int] = {}
        self._same: list[int] = []

    def __len__(self) -> int:
        return len(self._same)

    def add(self, text: str) -> int:
        """Add a text and return its number."""
        number = len(self._same)
        first = self._numbers.setdefault(key(text), number)
        self._same.append(first)
        self._pieces.append(pieces(text))
        if first == number:
            self._lookup.insert(number, _hashes(self._pieces[number]))
        return number

    def near(self, text: str) -> list[Near]:
        """The texts near to this one, the nearest first. Of texts that are the same only the first is named."""
        same = self._numbers.get(key(text))
        own = [] if same is None else [Near(same, 1.0)]
        mine = pieces(text)
        found = [Near(at, likeness(mine, self._pieces[at])) for at in self._lookup.query(_hashes(mine))]
        others = [one for one in found if one.likeness >= self._threshold and one.other != same]
        return own + sorted(others, key=lambda one: (-one.likeness, one.other))


def near_index(threshold: float = THRESHOLD) -> NearIndex:
    """Return an empty index. Raises TuneExtraMissingError."""
    require(NEAR, "finding near-duplicates")
    from datasketch import MinHashLSH

    looked_for = max(_LEAST, threshold - _MARGIN)
    return NearIndex(MinHashLSH(threshold=looked_for, num_perm=_HASHES, weights=_WEIGHTS), threshold)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts that are near, by their numbers, the earlier first; a likeness of 1 may be the same text."""

    first: int
    second: int
    likeness: float


def near_pairs(texts: Iterable[str], threshold: float = THRESHOLD) -> list[Pair]:
    """Return all pairs of near texts; one that is the same as earlier ones stands with the first of them alone."""
    index = near_index(threshold)
    pairs: list[Pair] = []
    seen: set[str] = set()
    for number, text in enumerate(texts):
        found = index.near(text)
        if key(text) in seen:
            found = found[:1]
        seen.add(key(text))
        pairs += [Pair(one.other, number, one.likeness) for one in found]
        index.add(text)
    return pairs


def clusters(count: int, pairs: Iterable[Pair]) -> list[int]:
    """Return for each of ``count`` texts its cluster: the number of the first text that pairs lead to."""
    parents = list(range(count))
    for pair in pairs:
        one, other = sorted((_top(parents, pair.first), _top(parents, pair.second)))
        parents[other] = one
    return [_top(parents, number) for number in range(count)]


def _top(parents: Sequence[int] | list[int], number: int) -> int:
    while parents[number] != number:
        number = parents[number]
    return number


def _hashes(found: frozenset[str]) -> Any:
    from datasketch import MinHash

    hashes = MinHash(num_perm=_HASHES)
    hashes.update_batch([piece.encode(errors="replace") for piece in sorted(found)])
    return hashes
