"""How long a built-in check may keep the gateway's loop waiting, told from its text before it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from postil.plugins.types import Completion, RequestContext, RoutingRequest

_DIGIT = re.compile(r"\d")
# What a value of a request counts for beside its characters: a million empty texts cost time, too.
_VALUE = 64


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds that each character costs at worst: of a text in ASCII, of any other, and more for each digit.

    Rounded up from the slowest texts of ``tests/plugins/builtin/test_hostile_texts.py``, whose tests fail for a check
    that takes twice as long as it says.
    """

    ascii: float = 0.0
    other: float = 0.0
    digit: float = 0.0
    # Of so many characters of a text at most; the rest is not read.
    most: int | None = None

    def of(self, text: str) -> float:
        """The seconds for one text."""
        if self.most is not None:
            text = text[: self.most]
        found = len(text) * (self.ascii if text.isascii() else self.other)
        if self.digit:
            found += self.digit * len(_DIGIT.findall(text))
        return found * 1e-6


FREE = Cost()


def takes_longer(cost: Cost, subject: object, seconds: float) -> bool:
    """Whether a method may work on its subject (a request, an answer) for longer; looks no further than it has to."""
    if cost is FREE:
        return False
    if type(subject) is Completion and not subject.tool_calls:  # Nearly all are this, and each is asked for.
        return cost.of(subject.text) > seconds
    left = seconds
    for text in _texts(subject):
        left -= cost.of(text) + 1e-6
        if left < 0:
            return True
    return False


def is_larger(subject: object, characters: int) -> bool:
    """Whether the texts of a subject have more characters in all; each counts for some, empty or not."""
    left = characters
    for text in _texts(subject):
        left -= len(text) + _VALUE
        if left < 0:
            return True
    return False


def _texts(subject: object) -> Iterator[str]:
    if isinstance(subject, Completion):
        yield subject.text
        yield from _strings(list(subject.tool_calls))
    elif isinstance(subject, RequestContext | RoutingRequest):
        yield from _strings(dict(subject.request))


def _strings(value: object) -> Iterator[str]:
    """Every text in plain data, and an empty one for each list: what costs time without a character counts."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            yield "".join(one)
            waiting += one.values()
        elif isinstance(one, list | tuple):
            yield ""
            waiting += one
