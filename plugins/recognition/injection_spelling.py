"""Misspelt words of attacks, put right: a letter left out, doubled or in its neighbour's place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_KEYS = (
    "ignore",
    "disregard",
    "forget",
    "previous",
    "prior",
    "instruction",
    "instructions",
    "prompt",
    "prompts",
    "system",
    "rules",
    "guidelines",
    "directives",
    "reveal",
    "restrictions",
    "restriction",
    "hidden",
    "secret",
    "developer",
    "assistant",
    "override",
    "bypass",
    "pretend",
    "unrestricted",
    "configuration",
    "programming",
    "everything",
    "password",
    "administrator",
    "message",
    "print",
    "verbatim",
    "roleplay",
    "jailbreak",
    "unfiltered",
    "policies",
)
_SHORTEST = 5


def _variants(word: str) -> Iterator[str]:
    for at in range(1, len(word)):
        yield word[:at] + word[at + 1 :]
        yield word[:at] + word[at] + word[at:]
        if at + 1 < len(word):
            yield word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def misspellings() -> Mapping[str, str]:
    """What each misspelt word was meant to be; a word that is one itself is left alone."""
    keys = frozenset(_KEYS)
    told = ((variant, word) for word in _KEYS for variant in _variants(word))
    return {variant: word for variant, word in told if len(variant) >= _SHORTEST and variant not in keys}
