"""Adds typing errors, so that an adapter does not depend on capitals, full stops and spelling."""

from __future__ import annotations

import random
import string

_DROPPED = str.maketrans("", "", string.punctuation.replace("-", ""))


def disturb(text: str, share: float, chance: random.Random) -> str:
    """Return ``text``, with probability ``share`` changed as if typed in a hurry."""
    if chance.random() >= share:
        return text
    if chance.random() < 0.5:
        text = text.lower()
    elif chance.random() < 0.1:
        text = text.upper()
    if chance.random() < 0.4:
        text = text.translate(_DROPPED).strip() or text
    if chance.random() < 0.5:
        text = _mistyped(text, chance)
    return text


def _mistyped(text: str, chance: random.Random) -> str:
    """Swap, drop or double one letter in about every eighth longer word."""
    return " ".join(_slip(word, chance) if len(word) > 3 and chance.random() < 0.12 else word for word in text.split())


def _slip(word: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(word) - 1)
    return chance.choice(
        [
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
        ]
    )
