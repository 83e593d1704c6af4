"""The kit for plugin authors lets text out as the gateway does: what it promises an author holds behind a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from postil.gateway.inference.guardrails.holdback import HoldbackBuffer, Rule
from postil.plugins import Completion, Span, Verdict
from postil.plugins.conformance.streaming import Left, let_out
from postil.registry.policy.policy import ValidatorUse

# No text of these tests holds it, so nothing is made of what stands beside a redaction.
_GONE = "\0"


class Words:
    """Fails some words anywhere, or at the beginning or the end of an answer only, with spans or without."""

    def __init__(self, words: Sequence[str], where: str, *, spans: bool) -> None:
        self._words = words
        self._where = where
        self._spans = spans
        self.size = max(len(word) for word in words) + (where != "anywhere")

    def judge(self, part: Completion) -> Verdict:
        """Keep the promise of a window of ``size``."""
        found = [Span(at, at + len(word)) for word in self._words for at in self._places(part, word)]
        return Verdict.failed("a word", found if self._spans else ()) if found else Verdict.passed()

    def _places(self, part: Completion, word: str) -> list[int]:
        if self._where == "at the beginning":
            return [0] if part.offset == 0 and part.text.startswith(word) else []
        if self._where == "at the end":
            return [len(part.text) - len(word)] if part.ends and part.text.endswith(word) else []
        return [at for at in range(len(part.text)) if part.text.startswith(word, at)]


async def served(words: Words, pieces: Sequence[str], on_fail: Literal["stop", "redact"]) -> str:
    """What the gateway lets out."""
    rule = Rule(0, ValidatorUse(name="words", on_fail=on_fail, replacement=_GONE), words.size)

    async def ask(part: Completion, _: Rule | None) -> Sequence[Verdict]:
        verdict = words.judge(part)
        return [] if verdict.ok else [replace(verdict, validator="words")]

    holder = HoldbackBuffer([rule], ask)
    out = ""
    for piece in pieces:
        holder.feed(piece)
        out += await holder.drain()
    return out + await holder.drain("stop", ends=True)


def redacted(text: str, left: Left) -> str:
    """The text with one sign for each run of places that fail."""
    out = ""
    for place in range(len(text) + 1):
        if place not in left.marked:
            out += text[place : place + 1]
        elif place - 1 not in left.marked:
            out += _GONE
    return out


@st.composite
def cases(draw: st.DrawFn) -> tuple[Words, list[str]]:
    """Words that may not leave, and an answer in pieces."""
    words = draw(st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3))
    where = draw(st.sampled_from(["anywhere", "at the beginning", "at the end"]))
    pieces = draw(st.lists(st.text("abc ", max_size=6), max_size=8))
    return Words(words, where, spans=draw(st.booleans())), pieces


@settings(max_examples=500, deadline=None)
@given(cases())
def test_what_leaves_in_the_kit_leaves_the_gateway(case: tuple[Words, list[str]]) -> None:
    words, pieces = case
    left = let_out(words.judge, words.size, pieces)
    assert asyncio.run(served(words, pieces, "stop")) == left.text
    assert asyncio.run(served(words, pieces, "redact")) == redacted("".join(pieces), left)


@settings(max_examples=300, deadline=None)
@given(cases())
def test_in_the_kit_the_same_leaves_however_it_is_cut(case: tuple[Words, list[str]]) -> None:
    words, pieces = case
    assert let_out(words.judge, words.size, pieces) == let_out(words.judge, words.size, ["".join(pieces)])
