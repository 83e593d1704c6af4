"""The wordings that ``injection`` knows by rule, from ``injection.txt``: exact ones in English, and those of others."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from postil.plugins.recognition.wordings import wordings

OTHERS = "another language"
# How strongly each kind of sign speaks for an attack, 0 to 1.
WEIGHTS: Mapping[str, float] = {
    "override": 0.7, "reveal": 0.6, "role play": 0.6, "to a model": 0.6, "authority": 0.35, "coercion": 0.2,
    "turn marks": 0.4, "another language": 0.7, "control tokens": 0.9, "hidden characters": 0.6, "encoded text": 0.3,
    "encoded attack": 0.9,
}  # fmt: skip


def shaped(pattern: str) -> str:
    """A pattern for plain texts: without accents, its signs for a few words or letters spelt out."""
    told = (one for one in unicodedata.normalize("NFKD", pattern) if unicodedata.category(one) not in ("Mn", "Cf"))
    plain = "".join(one if one.isascii() else one.casefold() for one in told)
    return re.sub(r"_(\d)_", r"\\W+(?:\\w+\\W+){0,\1}?", plain)


def english() -> Mapping[str, str]:
    """One pattern for each kind of sign."""
    return {
        kind: "|".join(rf"\b(?:{shaped(one)})" for one in some)
        for kind, some in wordings("injection.txt").items()
        if kind != OTHERS
    }


def foreign() -> Sequence[str]:
    """The patterns for the wordings of all other languages."""
    few_words, few_letters, letter = r"[,:]? (?:[^ ]+ ){0,4}?", r"[^.!?]{0,24}?", "[^ .,!?;:]"
    told = []
    for pattern in wordings("injection.txt")[OTHERS]:
        spelt = pattern.replace("~", few_words).replace(r"\w", letter).replace(r"\pL", letter)
        # Where a hyphen stands between two groups, it is for letters; inside of words it is itself.
        told.append(rf"(?:^|[^a-z])(?:{shaped(spelt.replace(')-(', f'){few_letters}('))})")
    return told
