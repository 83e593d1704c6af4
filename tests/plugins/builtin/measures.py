"""How good the checks are on the sets beside this: precision and recall, of whole texts and of streams."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from pathlib import Path
from typing import Any

from postil.plugins import Completion, InputCheck, ReleaseRef, RequestContext, Verdict
from postil.plugins.builtin.emergency import Emergency
from postil.plugins.builtin.injection import Injection
from postil.plugins.builtin.pii import Pii

SETS = Path(__file__).parent / "sets"
REGIONS = ["US", "DE", "GB", "FR"]
Z = 1.959964  # 95 %
Span = tuple[int, int]
Row = Mapping[str, Any]
Spans = Callable[[Pii, str], Sequence[Span]]


@dataclass(frozen=True)
class Share:
    """So many of so many, with Wilson's interval."""

    part: int
    whole: int

    @property
    def value(self) -> float:
        """The share itself; 1 of nothing."""
        return self.part / self.whole if self.whole else 1.0

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true share lies with 95 %."""
        n = max(self.whole, 1)
        middle = (self.value + Z * Z / (2 * n)) / (1 + Z * Z / n)
        half = Z / (1 + Z * Z / n) * sqrt(self.value * (1 - self.value) / n + Z * Z / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Measured:
    """What was found of what is there, what of the found is right, and which harmless texts raised an alarm."""

    recall: Share
    precision: Share
    alarms: Share
    missed: Sequence[str]
    wrong: Sequence[str]


@cache
def rows(name: str) -> tuple[Row, ...]:
    """A set: one JSON object a line."""
    return tuple(json.loads(line) for line in (SETS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines())


def whole(validator: Pii, text: str) -> list[Span]:
    """The spans of a whole answer."""
    return [(span.start, span.end) for span in _judged(validator, Completion(text)).spans]


def streamed(validator: Pii, text: str) -> list[Span]:
    """The spans of all windows of a stream that comes by single characters."""
    size = validator.scope.window
    assert size is not None
    found: set[Span] = set()
    for end in range(1, len(text) + 2):
        start, stop = max(0, end - size), min(end, len(text))
        part = Completion(text[start:stop], offset=start, ends=end > len(text))
        found |= {(start + span.start, start + span.end) for span in _judged(validator, part).spans}
    return _united(found)


@cache
def pii(name: str, spans: Spans) -> Measured:
    """By value: one is found if all of its characters are; a span that meets no value is wrong."""
    validator: Pii = Pii.from_mapping({"regions": REGIONS})
    found = right = values = spanned = clean = alarms = 0
    missed: list[str] = []
    wrong: list[str] = []
    for row in rows(name):
        text, told = row["text"], spans(validator, row["text"])
        places = list(_places(text, row["values"]))
        for start, end in places:
            if any(a <= start and end <= b for a, b in told):
                found += 1
            else:
                missed.append(text)
        beside = [span for span in told if not any(span[0] < end and start < span[1] for start, end in places)]
        wrong += [text[a:b] for a, b in beside]
        right, values, spanned = right + len(told) - len(beside), values + len(places), spanned + len(told)
        clean, alarms = clean + (not places), alarms + bool(told and not places)
    return Measured(Share(found, values), Share(right, spanned), Share(alarms, clean), missed, wrong)


def requests(name: str, label: str, alarm: Callable[[str], bool]) -> Measured:
    """By text, for a check of requests."""
    missed: list[str] = []
    wrong: list[str] = []
    for row in rows(name):
        told = alarm(row["text"])
        if told != row[label]:
            (wrong if told else missed).append(row["text"])
    bad = sum(row[label] for row in rows(name))
    good = len(rows(name)) - bad
    hits = bad - len(missed)
    return Measured(Share(hits, bad), Share(hits, hits + len(wrong)), Share(len(wrong), good), missed, wrong)


@cache
def injection(name: str) -> Measured:
    """What ``injection`` refuses."""
    check: Injection = Injection.from_mapping({})
    return requests(name, "attack", lambda text: not _asked(check, text).ok)


@cache
def emergency(name: str) -> Measured:
    """What ``emergency`` has a notice for."""
    check: Emergency = Emergency.from_mapping({})
    return requests(name, "danger", lambda text: bool(_asked(check, text).notice))


def alarms(texts: Sequence[str]) -> list[str]:
    """The texts that ``emergency`` has a notice for."""
    check: Emergency = Emergency.from_mapping({})
    return [text for text in texts if _asked(check, text).notice]


def _asked(check: InputCheck, text: str) -> Verdict:
    messages = [{"role": "user", "content": text}]
    verdict = check.check(RequestContext(ReleaseRef("a", "b", 1), "t", {"messages": messages}))
    assert isinstance(verdict, Verdict)
    return verdict


def _judged(validator: Pii, completion: Completion) -> Verdict:
    return validator.judge(RequestContext(ReleaseRef("a", "b", 1), "t", {"messages": []}), completion)


def _places(text: str, values: Sequence[str]) -> Iterator[Span]:
    at = 0
    for value in values:
        start = text.index(value, at)
        at = start + len(value)
        yield start, at


def _united(spans: set[Span]) -> list[Span]:
    united: list[Span] = []
    for start, end in sorted(spans):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united
