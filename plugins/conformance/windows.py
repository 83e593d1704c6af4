"""The promise of a validator with a window: what it says of a text follows from what it says of small parts.

A text fails exactly if one of its parts of at most ``n`` characters does, the beginning and the end counted as one
character each. Looked at for texts of the author's, and for others that are made of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

from postil.plugins.conformance.calling import Caller
from postil.plugins.conformance.promises import broken, shown
from postil.plugins.conformance.reading import check_verdict
from postil.plugins.conformance.samples import TEXTS, context
from postil.plugins.conformance.streaming import Left, let_out
from postil.plugins.contract import Validator
from postil.plugins.types import Completion, Verdict

# How many characters are judged in all, a call counted as so many more.
_BUDGET, _CALL = 8_000_000, 100
_TEXTS, _PARTS = 150, 60
# Any place in the middle of an answer.
_MIDDLE = 9


class WindowCheck:
    """One validator with a window, and what may still be asked of it."""

    def __init__(self, caller: Caller, validator: Validator) -> None:
        assert validator.scope.window is not None, "only those that have a window come here"
        self._caller = caller
        self._validator = validator
        self._size = validator.scope.window
        self._spent = 0

    def run(self, texts: Sequence[str]) -> None:
        """Look at these texts and at others that are made of them. Raises BrokenPromiseError."""
        for text in islice(dict.fromkeys(_variants(texts, self._size)), _TEXTS):
            if self._spent > _BUDGET:
                return
            self._caller.each(partial(self._look, text), text)

    def _look(self, text: str) -> None:
        self._promise(_Answer(text))
        self._promise(_Middle(text))
        self._cuts(text)

    def _promise(self, answer: _Answer) -> None:
        """Both ways: what fails holds a small part that fails, and what passes does not."""
        if self._judge(answer.part(0, answer.length)).ok:
            for start in _sample(answer.length - self._size + 1):
                part = answer.part(start, start + self._size)
                if not self._judge(part).ok:
                    broken(
                        self._caller.name,
                        f"passes {shown(answer.text)}, though it fails {shown(part.text)}, a part of it"
                        f" (offset {part.offset}, ends {part.ends}): a part may only fail for what the whole fails for",
                    )
        else:
            self._narrow(answer, 0, answer.length)

    def _narrow(self, answer: _Answer, start: int, end: int) -> None:
        """Of what fails, take the half that fails, the halves overlapping by a window less one; one of them has to."""
        while end - start > self._size:
            length = (end - start + self._size) // 2
            halves = [(start, start + length), (end - length, end)]
            failing = [half for half in halves if not self._judge(answer.part(*half)).ok]
            if not failing:
                whole = answer.part(start, end)
                broken(
                    self._caller.name,
                    f"fails {shown(whole.text)} (offset {whole.offset}, ends {whole.ends}), but no part of it that its"
                    f" window of {self._size} characters can hold; declare a larger window, or FINAL",
                )
            start, end = failing[0]

    def _cuts(self, text: str) -> None:
        """However the stream is cut, the same text leaves and the same places fail."""
        whole = self._let_out([text])
        for pieces in _pieces(text, self._size):
            left = self._let_out(pieces)
            if left != whole:
                broken(
                    self._caller.name,
                    f"is not the same for every way of cutting the stream: {shown(text)} leaves as {shown(whole.text)}"
                    f" in one piece, and as {shown(left.text)} in the pieces {shown(pieces)}",
                )

    def _let_out(self, pieces: Sequence[str]) -> Left:
        return let_out(self._judge, self._size, pieces)

    def _judge(self, part: Completion) -> Verdict:
        self._spent += len(part.text) + _CALL
        verdict = self._caller.here(self._validator, (context(), part))
        return check_verdict(self._caller.name, verdict, part.text, len(part.text))


class _Answer:
    """A whole answer; its parts are counted with its beginning and its end as one character each."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.length = len(text) + 2

    def part(self, start: int, end: int) -> Completion:
        """Characters ``start`` to ``end`` (exclusive), without what stands around them."""
        ends = end >= self.length
        first = max(0, start - 1)
        offset = 0 if start == 0 else max(1, first)
        return Completion(self.text[first : max(0, end - 1)], "stop" if ends else None, offset=offset, ends=ends)


class _Middle(_Answer):
    """A text from the middle of an answer: neither its beginning nor its end is in sight."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.length = len(text)

    def part(self, start: int, end: int) -> Completion:
        """As above."""
        return Completion(self.text[start:end], offset=_MIDDLE + start, ends=False)


def _variants(texts: Sequence[str], size: int) -> Iterator[str]:
    """The texts, parts of them, several of them in a row, and each with so much around it as fills a window."""
    yield from texts
    chance = random.Random(0)
    for text in texts:
        for filler in (" ", "x", ". "):
            around = filler * min(size, 2_000)
            yield from (text + around, around + text, around + text + around)
        for _ in range(6):
            cut = chance.randrange(len(text) + 1)
            yield from (text[:cut], text[cut:], f"{text[:cut]} {text[cut:]}", text[:cut] + text[cut + 1 :])
        other = chance.choice(texts)
        cut = chance.randrange(len(other) + 1)
        yield from (text + other, f"{text}\n{other}", other[:cut] + text + other[cut:], text.upper(), text[::-1])
    yield from (text[:200] for text in TEXTS)


def _pieces(text: str, size: int) -> Iterator[list[str]]:
    """Ways to cut a text."""
    for length in sorted({1, 2, 7, max(1, size - 1), size, size + 1}):
        if len(text) / length < 500:
            yield [text[at : at + length] for at in range(0, len(text), length)]
    chance = random.Random(len(text))
    for _ in range(3):
        places = sorted(chance.randrange(len(text) + 1) for _ in range(4))
        yield [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


def _sample(count: int) -> Sequence[int]:
    """The numbers below ``count``; so many of them, if they are too many to ask about each."""
    return range(0, count, max(1, count // _PARTS)) if count > 0 else ()
