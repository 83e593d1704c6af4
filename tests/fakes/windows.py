"""Validators with windows for tests, random cases of them, and what has to come of a case, told the plain way."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from postil.gateway.inference.guardrails.holdback import Rule
from postil.plugins import Completion, Outcome, Span, Verdict
from postil.registry.policy.policy import ValidatorUse

T = TypeVar("T")
Spans = list[tuple[int, int]]
# Letters of one to four bytes, and the space that words end at.
ALPHABET = "abé😀 "
LETTERS = frozenset("abé😀")


@dataclass(frozen=True)
class Finder:
    """Finds what is forbidden in a part of a text: None if nothing is, else the spans (maybe none)."""

    name: str
    size: int
    find: Callable[[str, int, bool], Spans | None]
    # What it is about, where that is phrases that may not occur anywhere.
    phrases: tuple[str, ...] = ()


def occurrences(text: str, phrase: str) -> Spans:
    """Every place of a phrase, also where they overlap."""
    found, at = [], text.find(phrase)
    while at >= 0:
        found.append((at, at + len(phrase)))
        at = text.find(phrase, at + 1)
    return found


def _leftmost_longest(span: tuple[int, int]) -> tuple[int, int]:
    return span[0], -span[1]


def ban(name: str, phrases: Sequence[str], *, wider: int = 0, tells: str = "all") -> Finder:
    """Forbids phrases. ``tells``: of all places, of the first one, of those that a regex finds, or of none."""

    def find(text: str, offset: int, ends: bool) -> Spans | None:
        found = sorted({span for phrase in phrases for span in occurrences(text, phrase)}, key=_leftmost_longest)
        if not found or tells == "none":
            return [] if found else None
        if tells == "first":
            return found[:1]
        if tells == "regex":
            kept = found[:1]
            for span in found:
                if span[0] >= kept[-1][1]:
                    kept.append(span)
            return kept
        return found

    return Finder(name, max(map(len, phrases)) + wider, find, tuple(phrases))


def ban_word(name: str, word: str) -> Finder:
    """Forbids a word where it stands alone, which takes a look at what stands around it."""

    def find(text: str, offset: int, ends: bool) -> Spans | None:
        found = []
        for start, end in occurrences(text, word):
            before = text[start - 1] not in LETTERS if start else offset == 0
            after = text[end] not in LETTERS if end < len(text) else ends
            if before and after:
                found.append((start, end))
        return found or None

    return Finder(name, len(word) + 2, find)


def ban_edge(name: str, phrase: str, *, first: bool) -> Finder:
    """Forbids that a text begins with a phrase, or that it ends with one."""

    def find(text: str, offset: int, ends: bool) -> Spans | None:
        if first:
            return [(0, len(phrase))] if offset == 0 and text.startswith(phrase) else None
        return [(len(text) - len(phrase), len(text))] if ends and text.endswith(phrase) else None

    return Finder(name, len(phrase) + 1, find)


def ban_silence(name: str) -> Finder:
    """Forbids an empty text."""
    return Finder(name, 2, lambda text, offset, ends: [] if ends and offset == 0 and not text else None)


@dataclass
class Judges:
    """Answers a Holder's questions, and counts them."""

    finders: dict[str, Finder]
    questions: int = 0

    async def ask(self, part: Completion, rule: Rule | None) -> list[Verdict]:
        """As a panel does."""
        self.questions += 1
        names = self.finders if rule is None else (rule.use.name,)
        found = ((name, self.finders[name].find(part.text, part.offset, part.ends)) for name in names)
        return [
            Verdict(Outcome.FAILED, "forbidden", tuple(Span(*span) for span in spans), name)
            for name, spans in found
            if spans is not None
        ]


@dataclass(frozen=True)
class Case:
    """A text, several ways of cutting it, and the validators in force."""

    text: str
    cuts: tuple[tuple[int, ...], ...]
    finders: tuple[Finder, ...]
    rules: tuple[Rule, ...]

    @property
    def window(self) -> int:
        """The largest."""
        return max(rule.size for rule in self.rules)


def pieces(text: str, cuts: tuple[int, ...]) -> Iterator[str]:
    """A text as it comes."""
    for start, end in zip((0, *cuts), (*cuts, len(text)), strict=True):
        yield text[start:end]


def rule_for(number: int, finder: Finder, on_fail: Any, replacement: str = "[removed]") -> Rule:
    """A rule of a policy."""
    return Rule(number, ValidatorUse(name=finder.name, on_fail=on_fail, replacement=replacement), finder.size)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that has nothing to wait for, without a loop around it."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("it waits for something")


class Cases:
    """Random cases from a seed: the same ones each time."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._uses = [
            [
                ValidatorUse(name=str(at), on_fail=on_fail, replacement=text)
                for on_fail in ("stop", "redact", "replace")
                for text in ("", "#", "[+]")
            ]
            for at in range(3)
        ]

    def draw(self) -> Case:
        """The next one."""
        pick = self._random
        finders = tuple(self._finder(str(at)) for at in range(pick.choice((1, 1, 2, 3))))
        text = "".join(pick.choices(ALPHABET, (5, 4, 2, 1, 3), k=pick.randrange(15)))
        for phrase in pick.choice(finders).phrases if pick.random() < 0.6 else ():
            at = pick.choice((pick.randrange(len(text) + 1), len(text)))
            text = text[:at] + phrase + pick.choice(("", "", phrase, phrase[1:])) + text[at:]
        cuts = (tuple(range(1, len(text))), *(self._cuts(text) for _ in range(3)))
        rules = tuple(Rule(at, pick.choice(self._uses[at]), finder.size) for at, finder in enumerate(finders))
        return Case(text, cuts, finders, rules)

    def _cuts(self, text: str) -> tuple[int, ...]:
        pick = self._random.randrange
        return tuple(sorted(pick(len(text) + 1) for _ in range(pick(8))))

    def _finder(self, name: str) -> Finder:
        pick = self._random
        kind = pick.randrange(8)
        if kind < 4:
            phrases = [self._phrase() for _ in range(pick.choice((1, 1, 2)))]
            if pick.random() < 0.2:
                phrases.append(pick.choice(ALPHABET) + phrases[0] + pick.choice(ALPHABET))
            return ban(name, phrases, wider=pick.choice((0, 0, 1, 4)), tells=("all", "first", "regex", "none")[kind])
        if kind == 4:
            return ban(name, [pick.choice(ALPHABET)])
        if kind == 5:
            return ban_edge(name, self._phrase(), first=pick.random() < 0.5)
        if kind == 6 and pick.random() < 0.3:
            return ban_silence(name)
        return ban_word(name, pick.choice(("a", "ab", "bé")))

    def _phrase(self) -> str:
        return "".join(self._random.choices(ALPHABET, (5, 4, 2, 1, 1), k=self._random.choice((2, 2, 3, 4))))
