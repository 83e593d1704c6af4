"""What comparing a request's schemas with a policy may cost: one budget for all of them, spent before the work is done.

Comparisons run between other clients' answers, so that a step is about a microsecond, and all of them some twenty
milliseconds, whatever a client sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import re2

from postil.registry.errors import GrammarError
from postil.registry.policy.grammars.schemas import resolved

_MOST_STEPS = 20_000
# So many values of JSON are looked at in a step.
_VALUES = 16
_LONGEST_REFERENCE = _LONGEST_PATTERN = 256
# Compiling a pattern: its beginning, a character of it, its repetitions up to RE2's memory, a class of Unicode's.
_OF_PATTERN, _OF_CHARACTER, _OF_REPETITIONS, _OF_CLASS = 50, 5, 1200, 200
# Searching a text: its beginning, and its instructions in a step; no more than these are live at a time.
_OF_SEARCH, _INSTRUCTIONS, _LIVE = 5, 350, 1000
_MEMORY = 1 << 18


class ComparisonBudget:
    """The steps that one request has left, and what it has paid for already."""

    def __init__(self) -> None:
        self._left = _MOST_STEPS
        # By its id: a value, which so stays alive, and its weight.
        self._weights: dict[int, tuple[object, int]] = {}
        self._patterns: dict[str, Any] = {}

    def spend(self, steps: int) -> None:
        """Raises GrammarError where there are not so many left."""
        if not self.affords(steps):
            raise GrammarError(
                "the schemas of the request have too many parts to be compared with the policy's; send smaller ones"
            )
        self._left -= steps

    def affords(self, steps: int) -> bool:
        """Whether so many steps are left."""
        return steps <= self._left

    def weight(self, value: object) -> int:
        """The steps that looking at all of a value takes. Raises GrammarError."""
        if not isinstance(value, dict | list):
            return 1
        if (known := self._weights.get(id(value))) is not None:
            return known[1]
        total, left = 0, [value]
        while left:
            each = left.pop()
            total += 1
            if isinstance(each, dict | list):
                left += each.values() if isinstance(each, dict) else each
        weight = 1 + total // _VALUES
        self.spend(2 * weight)
        self._weights[id(value)] = (value, weight)
        return weight

    def resolved(self, root: object, reference: object) -> object:
        """What a reference names. Raises GrammarError."""
        length = len(reference) if isinstance(reference, str) else 0
        if length > _LONGEST_REFERENCE:
            raise GrammarError(
                f"a $ref of the schema has more than {_LONGEST_REFERENCE} characters; give what is under $defs"
                " shorter names"
            )
        self.spend(1 + length // 2)
        if (found := resolved(root, reference)) is None:
            raise GrammarError("a $ref of the schema leads to no schema in it; put what it means under $defs")
        return found

    def matching(self, pattern: str, texts: Sequence[str]) -> Sequence[str]:
        """The texts that a pattern is found in: all of them for one that RE2 does not take. Raises GrammarError."""
        compiled = self._compiled(pattern)
        if compiled is None:
            return texts
        live = min(compiled.programsize, _LIVE)
        self.spend(sum(_OF_SEARCH + live * len(text) // _INSTRUCTIONS for text in texts))
        return [text for text in texts if compiled.search(text) is not None]

    def _compiled(self, pattern: str) -> Any:
        """The pattern, None where RE2 does not take it; it is paid for once."""
        if pattern not in self._patterns:
            self.spend(_price(pattern))
            try:
                self._patterns[pattern] = re2.compile(pattern, _options())
            except re2.error:
                self._patterns[pattern] = None
        return self._patterns[pattern]


def _price(pattern: str) -> int:
    """The steps of compiling a pattern at most. Raises GrammarError."""
    if len(pattern) > _LONGEST_PATTERN:
        raise GrammarError(
            f"a pattern of the schema has more than {_LONGEST_PATTERN} characters; send a shorter one, or leave it out"
        )
    repetitions = _OF_REPETITIONS if "{" in pattern else 0
    classes = pattern.count("\\p") + pattern.count("\\P")
    return _OF_PATTERN + _OF_CHARACTER * len(pattern) + repetitions + _OF_CLASS * classes


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    return options
