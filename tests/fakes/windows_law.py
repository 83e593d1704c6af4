"""What has to come of a case, told the plain way: every window asked about, one after the other, of a whole text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from postil.gateway.inference.guardrails.holdback import HoldbackBuffer, Rule
from tests.fakes.windows import Case, Finder, Judges, Spans, at_once, occurrences, pieces

Marks = dict[int, set[Rule]]
_STRICT = {"redact": 0, "stop": 1, "replace": 2}


@dataclass
class Told:
    """What leaves of a text, from which places of it, and the rule that ended it."""

    text: str = ""
    kept: set[int] = field(default_factory=set)
    over: Rule | None = None


def model(case: Case) -> Told:
    """The outcome of a case, slowly."""
    told, redacting, text, marks = Told(), False, case.text, _marked(case)
    for at in range(len(text) + 1):
        if redacting and at < len(text) and at not in marks:
            for rule, finder in zip(case.rules, case.finders, strict=True):
                for span in _across(finder, told.text, text[at:], case.window):
                    _mark(marks, rule, span, at - len(told.text))
        if at not in marks:
            redacting = False
            told.text += text[at : at + 1]
            told.kept.add(at)
            continue
        rule = max(marks[at], key=lambda one: (_STRICT[one.use.on_fail], -one.number))
        if rule.use.on_fail != "redact":
            told.over = rule
            return told
        told.text += "" if redacting else rule.use.replacement
        redacting = True
    return told


def _marked(case: Case) -> Marks:
    """By place: who fails it. The place after the last character is the end of the text."""
    marks: Marks = {}
    for rule, finder in zip(case.rules, case.finders, strict=True):
        for span in _windows(finder, case.text, ends=True):
            _mark(marks, rule, span, 0)
    return marks


def _mark(marks: Marks, rule: Rule, span: tuple[int, int], offset: int) -> None:
    for place in range(span[0] + offset, span[1] + offset):
        marks.setdefault(place, set()).add(rule)


def _windows(finder: Finder, text: str, *, ends: bool, beside: int = 0) -> Iterator[tuple[int, int]]:
    """What fails in each window of a text that holds something after the first ``beside`` characters."""
    last = len(text) + (max(1, finder.size - 1) if ends else 0)
    for end in range(beside + 1, last + 1):
        start = max(0, end - finder.size)
        part = text[start:end]
        found = finder.find(part, start, ends and end > len(text))
        if found is not None:
            for a, b in found or [(0, max(1, len(part)))]:
                yield start + a, start + b


def _across(finder: Finder, left: str, right: str, window: int) -> Spans:
    """What fails in the first characters of ``right`` once they stand after ``left``."""
    near, ends = right[: window - 1], len(right) < window - 1
    spans = _windows(finder, left + near, ends=ends, beside=len(left))
    return [(max(a, len(left)), b) for a, b in spans if b > len(left)]


def held(case: Case, come: Iterable[str]) -> tuple[str, Rule | None]:
    """What a Holder lets go of a text that comes in pieces, and the rule that ended it."""
    judges = Judges({finder.name: finder for finder in case.finders})
    holder, out = HoldbackBuffer(case.rules, judges.ask), ""
    for piece in come:
        holder.feed(piece)
        out += at_once(holder.drain())
        assert holder.held < case.window, "it holds back more than its window"
    return out + at_once(holder.drain(ends=True)), holder.stopped_by


def check(case: Case) -> int:
    """The law, for every way of cutting. Returns how many ways there were."""
    told = model(case)
    outcome = told.text, told.over
    for cuts in case.cuts:
        assert held(case, pieces(case.text, cuts)) == outcome, f"not what the windows say, cut at {cuts}"
    assert held(case, (case.text,)) == outcome, "a whole answer is not what the stream is"
    assert not told.kept & _forbidden(case), "a character of what is forbidden left"
    for phrase in _phrases(case):
        assert phrase not in told.text, "what is forbidden came together again"
    allowed = all(finder.find(case.text, 0, True) is None for finder in case.finders)
    assert not allowed or outcome == (case.text, None), "what is allowed did not arrive as it was"
    return len(case.cuts)


def _phrases(case: Case) -> list[str]:
    return [phrase for finder in case.finders for phrase in finder.phrases]


def _forbidden(case: Case) -> set[int]:
    """The places of every phrase, found without any window."""
    found = (span for phrase in _phrases(case) for span in occurrences(case.text, phrase))
    return {place for start, end in found for place in range(start, end)}
