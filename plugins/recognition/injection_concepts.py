"""Which words mean about the same in a talk with a model: ``injection_concepts.txt``, read."""

from __future__ import annotations

from postil.plugins.recognition.wordings import wordings

_SHORTEST, _LONGEST = 3, 10


class Concepts:
    """Says what a word is about, or nothing."""

    def __init__(self) -> None:
        told = [
            (word, concept)
            for concept, lines in wordings("injection_concepts.txt").items()
            for line in lines
            for word in line.split()
        ]
        self._whole = {word: concept for word, concept in told if not word.endswith("*")}
        self._stems = {word[:-1]: concept for word, concept in told if word.endswith("*")}

    def of(self, word: str) -> str | None:
        """The concept of a word: of the word itself, or of the longest stem that it begins with."""
        if word in self._whole:
            return self._whole[word]
        for size in range(min(len(word), _LONGEST), _SHORTEST - 1, -1):
            if word[:size] in self._stems:
                return self._stems[word[:size]]
        return None
