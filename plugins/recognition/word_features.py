"""What small classifiers of texts look at: words, parts of words and pairs of words, each as a whole number.

The numbers are checksums, so that no list of words has to be kept, and a word that nobody has seen has numbers, too.
Two words that are about the same count alike where a file of concepts says so.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

from postil.plugins.recognition.wordings import wordings

# How many different numbers a feature can have.
BUCKETS = 1 << 18
_MASK = BUCKETS - 1
# What the checksums of each kind of feature begin with.
_ALONE, _PART, _ABOUT, _PAIR = map(crc32, (b"1", b"p", b"c", b"d"))
# Parts of words, of so many letters.
_PARTS = (3, 4, 5)
# So many concepts before a word, and so far away, make a pair with its own.
_BEFORE, _REACH = 5, 10
_SHORTEST, _LONGEST_STEM = 3, 12
# What is longer is an address, a key or a language without spaces: its first characters are enough.
_LONGEST = 24
_WORD = re.compile(r"[^\W\d_]+(?:'[a-z]+)?|\d|[!?.,:]")


class Concepts:
    """Says what a word is about: of the word itself, or of the longest stem that it begins with."""

    def __init__(self, name: str | None = None) -> None:
        """Read a file beside this one; without a name, no word is about anything."""
        self._whole: dict[str, list[str]] = {}
        self._stems: dict[str, list[str]] = {}
        for concept, lines in wordings(name).items() if name is not None else ():
            for word in " ".join(lines).split():
                known = self._stems if word.endswith("*") else self._whole
                known.setdefault(word.rstrip("*"), []).append(concept)

    def of(self, word: str) -> Sequence[str]:
        """The concepts of a word, none or several: "will" is a testament and a wish."""
        if word in self._whole:
            return self._whole[word]
        for size in range(min(len(word), _LONGEST_STEM), _SHORTEST - 1, -1):
            if word[:size] in self._stems:
                return self._stems[word[:size]]
        return ()


class _Word(NamedTuple):
    """A word's bytes, its own numbers and concepts, and the checksums that its pairs with later words go on from."""

    said: bytes
    alone: list[int]
    concepts: Sequence[str]
    about: Sequence[bytes]
    next_to: int
    first_of_three: int
    skipped: int
    with_concept: int
    as_concepts: Sequence[int]


def _read(text: str, alone: list[int], concepts: Sequence[str]) -> _Word:
    said = text.encode() + b" "
    about = tuple(one.encode() for one in concepts)
    pair, three, skipped, with_concept = (crc32(b"%b%b" % (kind, said)) for kind in (b"2", b"3", b"s", b"g"))
    as_concepts = tuple(crc32(b"h%b " % one) for one in about)
    return _Word(said, alone, concepts, about, pair, three, skipped, with_concept, as_concepts)


def words_of(text: str) -> list[str]:
    """The words, digits and telling marks of a text that ``folding.plain`` made."""
    return [word[:_LONGEST] for word in _WORD.findall(text)]


def features(words: Sequence[str], concepts: Concepts) -> list[list[int]]:
    """For each word, the numbers of what it adds: itself, its parts, and what it makes with the words before."""
    found: list[list[int]] = []
    known: dict[str, _Word] = {}
    pairs: dict[tuple[str, str], int] = {}
    told: list[tuple[int, str]] = []
    start = _read("^", [], ())
    before = (start, start, start)
    for at, text in enumerate(words):
        word = known.get(text)
        if word is None:
            word = known[text] = _word(text, concepts)
        some = word.alone + _next_to(word, before)
        before = (*before[1:], word)
        if word.concepts:
            told = [one for one in told[-_BEFORE:] if at - one[0] <= _REACH]
            for pair in ((other, own) for own in word.concepts for _, other in told):
                if pair not in pairs:
                    pairs[pair] = crc32(b"%b %b" % (pair[0].encode(), pair[1].encode()), _PAIR) & _MASK
                some.append(pairs[pair])
            told += [(at, own) for own in word.concepts]
        found.append(some)
    return found


def _word(text: str, concepts: Concepts) -> _Word:
    """A word; its parts are a few letters each, so that another form of it, or a misspelt one, is still alike."""
    said = text.encode()
    alone = [crc32(said, _ALONE) & _MASK]
    if text[0].isalpha():
        edged = b"<%b>" % said
        alone += [crc32(edged[at : at + size], _PART) & _MASK for size in _PARTS for at in range(len(edged) - size + 1)]
    about = concepts.of(text)
    alone += [crc32(one.encode(), _ABOUT) & _MASK for one in about]
    return _read(text, alone, about)


def _next_to(word: _Word, before: tuple[_Word, ...]) -> list[int]:
    """With the word before, with the two before, with one of them skipped; and each with what the other is about."""
    third, second, first = before
    said = word.said
    return [
        crc32(said, first.next_to) & _MASK,
        crc32(said, crc32(first.said, second.first_of_three)) & _MASK,
        crc32(said, second.skipped) & _MASK,
        crc32(said, third.skipped) & _MASK,
        *[crc32(one, first.with_concept) & _MASK for one in word.about],
        *[crc32(said, one) & _MASK for one in first.as_concepts],
    ]


def unpacked(data: bytes, size: int) -> memoryview:
    """Weights of one byte each as they are in a file, packed by zlib. Raises ValueError unless they are ``size``."""
    reader = zlib.decompressobj()
    try:
        found = reader.decompress(data, size + 1)
    except zlib.error as error:
        raise ValueError("the weights cannot be unpacked") from error
    if len(found) != size:
        raise ValueError(f"there are not exactly {size:,} weights")
    return memoryview(found).cast("b")
