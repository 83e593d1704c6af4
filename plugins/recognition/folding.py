"""How texts are read by checks: what is written to look like something else is read as what it looks like.

``fold`` keeps the places of the original's characters, for spans; ``plain`` does not, and makes words out of a text.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

# Characters that nobody sees (zero width, direction, soft hyphen, fillers, variation) and marks on Latin letters.
_UNSEEN = (
    "\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e01ef"
)
_MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_HIDDEN = re.compile(f"[{_UNSEEN}{_MARKS}]+")
# So many hidden characters are passed over; more of them stand between two words.
_MOST_HIDDEN = 3
BREAK = "\ufffd"
_DASHES = "\u058a\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u207b\u2212\u23af\ufe58\ufe63\uff0d"
_SPACES = "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_DOTS = "\u3002\uff0e\uff61\u2024"
# Where each row of ten digits begins; superscripts and circled digits are none.
_ZEROS = (
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xED0, 0xF20, 0x1040,
    0x17E0, 0x1810, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,
)  # fmt: skip
# Cyrillic and Greek letters that look like Latin ones.
_LOOKS = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеѕіјорсухһԁԛԝѵɡɩΑΒΕΖΗΙΚΜΝΟΡΤΥΧανοικρτυχ",
    "ABESIJKMHOPCTYXaesijopcyxhdqwvgiABEZHIKMNOPTYXavoikptux",
)


def _table() -> dict[int, str]:
    table = {0xFF01 + at: chr(0x21 + at) for at in range(94)}
    table |= {zero + digit: str(digit) for zero in _ZEROS for digit in range(10)}
    for characters, meant in ((_DASHES, "-"), (_SPACES, " "), (_DOTS, ".")):
        table |= {ord(one): meant for one in characters}
    return table


_TABLE = _table()


@dataclass(frozen=True, slots=True)
class Folded:
    """A text as it is compared; ``origins`` are the places of its characters in the original, if they differ."""

    text: str
    origins: Sequence[int] = ()

    def span(self, start: int, end: int) -> tuple[int, int]:
        """From which to which character of the original a part of the folded text reaches; it is not empty."""
        return (self.origins[start], self.origins[end - 1] + 1) if self.origins else (start, end)

    def near(self, start: int, end: int, before: int, after: int) -> tuple[str, str]:
        """What stands in so many characters of the original before and after a part of the folded text."""
        if not self.origins:
            return self.text[max(0, start - before) : start], self.text[end : end + after]
        first, last = self.span(start, end)
        left = self.text[bisect_left(self.origins, first - before) : start]
        right = self.text[end : bisect_left(self.origins, last + after)]
        return left.replace(BREAK, ""), right


def fold(text: str) -> Folded:
    """Digits, dashes, spaces and full width as ASCII has them, and a few hidden characters passed over."""
    if text.isascii():
        return Folded(text.replace("\t", " "))
    shown = text.translate(_TABLE)
    if _HIDDEN.search(shown) is None:
        return Folded(shown)
    kept: list[str] = []
    origins: list[int] = []
    at = 0
    for found in _HIDDEN.finditer(shown):
        kept.append(shown[at : found.start()])
        origins += range(at, found.start())
        at = found.end()
        if at - found.start() > _MOST_HIDDEN:
            kept.append(BREAK)
            origins.append(at - 1)
    kept.append(shown[at:])
    origins += range(at, len(shown))
    return Folded("".join(kept), origins)


def plain(text: str) -> str:
    """Small letters without accents, straight apostrophes, single spaces, no hidden characters and no look-alikes.

    Look-alikes are read as Latin letters only in words that have a Latin letter: Russian stays Russian.
    """
    if text.isascii():
        return " ".join(text.casefold().split())
    shown = "".join(one for one in unicodedata.normalize("NFKD", text) if unicodedata.category(one) not in ("Cf", "Mn"))
    words = (_latin(word) for word in shown.encode(errors="replace").decode().split())
    return " ".join(words).casefold().replace("\u2019", "'").replace("\u2018", "'")


def _latin(word: str) -> str:
    """A word of Latin letters with some that only look so."""
    if word.isascii() or not any(one.isascii() and one.isalpha() for one in word):
        return word
    return word.translate(_LOOKS)
