"""What differs between two texts, word by word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

# Spaces, words, and single signs: put together again they are the text.
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
# To compare takes time that grows with the square of this.
_MOST = 1000
SAME, REMOVED, ADDED = "same", "removed", "added"


@dataclass(frozen=True, slots=True)
class Part:
    """Some words in a row that both texts have, or only the first (``removed``) or the second (``added``)."""

    text: str
    kind: str


def word_diff(first: str, second: str) -> list[Part]:
    """Return the parts of both texts in order; of long texts, those of their first 1,000 words."""
    one, two = _words(first), _words(second)
    parts = []
    for what, begin, end, start, stop in SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        if what == "equal":
            parts.append(Part("".join(one[begin:end]), SAME))
            continue
        parts += [Part("".join(one[begin:end]), REMOVED)] if end > begin else []
        parts += [Part("".join(two[start:stop]), ADDED)] if stop > start else []
    return parts


def _words(text: str) -> Sequence[str]:
    # So many characters hold more words than are compared only where nearly each is a word.
    return _WORDS.findall(text[: _MOST * 40])[:_MOST]
