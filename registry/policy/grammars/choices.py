"""Bounds of lists of choices: each is spelt out in the grammar."""

from __future__ import annotations

from postil.registry.errors import GrammarError

MOST_CHOICES = 1000
MOST_CHARACTERS = 32_768


def check_choices(choices: object) -> None:
    """Refuse a list of choices that vLLM would not take, or would compile for too long. Raises GrammarError."""
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, str) for choice in choices):
        raise GrammarError("choices have to be a list of texts, with one at least")
    if len(choices) > MOST_CHOICES or sum(map(len, choices)) > MOST_CHARACTERS:
        raise GrammarError(f"at most {MOST_CHOICES} choices of {MOST_CHARACTERS} characters in all are allowed")
