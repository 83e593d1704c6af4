"""Holds text back until every validator with a window has passed it. Does no input or output of its own.

What may not leave depends on the text alone, never on how it arrives. A validator with a window of n has a say about
each run of n characters (the beginning and the end of the text count as one); what it names there is marked, and a
character is decided when the last window that holds it has been judged. While everything passes, one question about
all that is new stands for all these windows: that is the promise of a scope. Only a text that fails is looked at
window by window. What stands before a redaction may have left by then; what follows one is judged again beside what
left, because two harmless halves may make something of which neither was part.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from postil.plugins import Completion, Outcome, Token, Verdict
from postil.registry.policy.policy import ValidatorUse

# Where several mark one character: what ends the answer goes before what lets it go on, because the others asked for
# no more than that part; and of those that end it, the one that has something to say loses nothing by saying it.
_STRICT = {"redact": 0, "stop": 1, "replace": 2}
Spans = list[tuple[int, int]]


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A validator in force, its place in the policy, and its window in characters."""

    number: int
    use: ValidatorUse
    size: int

    @property
    def ends(self) -> bool:
        """Whether the answer ends where this one fails."""
        return self.use.on_fail != "redact"

    @property
    def rank(self) -> tuple[int, int]:
        """The stricter one has the higher rank; of two alike, the first of the policy."""
        return _STRICT[self.use.on_fail], -self.number


# Ask one rule, or all of them (None): the verdicts that keep the part from leaving, each under its validator's name.
AskRules = Callable[[Completion, Rule | None], Awaitable[Sequence[Verdict]]]


class _DidNotRunError(Exception):
    """A rule gave no verdict: of what is held, nothing is known."""

    def __init__(self, rule: Rule, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.rule = rule
        self.verdict = verdict


@dataclass(frozen=True, slots=True)
class _Tape:
    """A stretch of text as validators see it; places count from its start, and its end is one more character.

    What stands before ``floor`` has left, and can only be looked at.
    """

    text: str
    offset: int
    ends: bool
    finish: str | None = None
    tokens: Sequence[Token] = ()
    floor: int = 0

    def last(self, size: int) -> int:
        """Where the last window of a size ends. At the end of a text they run out of it, as they run into it."""
        return len(self.text) + (max(1, size - 1) if self.ends else 0)

    def part(self, start: int, end: int) -> Completion:
        """The characters from ``start`` to ``end`` (exclusive)."""
        ends = self.ends and end > len(self.text)
        whole = ends and start == 0 == self.offset
        return Completion(
            self.text[start:end],
            self.finish if ends else None,
            self.tokens if whole else (),
            (),
            self.offset + start,
            ends,
        )

    def spans(self, verdict: Verdict, start: int, end: int) -> Spans:
        """What a verdict about that part names: all of it if nothing; the text's end, if it has no characters."""
        length = len(self.text[start:end])
        spans = [(one.start, one.end) for one in verdict.spans] if verdict.spans and length else [(0, max(1, length))]
        return [(max(self.floor, start + a), start + b) for a, b in spans if start + b > self.floor]


class HoldbackBuffer:
    """One text on its way. ``stopped_by`` is the rule that ended it, ``acts`` what was done to it and why."""

    def __init__(self, rules: Sequence[Rule], ask: AskRules, tokens: Sequence[Token] = ()) -> None:
        self.stopped_by: Rule | None = None
        self.acts: dict[str, None] = {}
        self._rules = {rule.use.name: rule for rule in rules}
        self._ask = ask
        self._tokens = tokens
        self._size = max((rule.size for rule in rules), default=1)
        self._held = ""
        self._start = 0  # The place of the first character held.
        self._judged = 0  # All windows that end before this place have been judged.
        self._marks: dict[int, dict[Rule, str]] = {}  # By place: who failed it, and the reason.
        self._redacting = self._ended = False
        self._out: list[str] = []
        self._left, self._sent = "", 0  # The last characters that left, and how many did.

    @property
    def held(self) -> int:
        """How many characters are held back."""
        return len(self._held)

    def feed(self, text: str) -> None:
        """Add text."""
        if self.stopped_by is None:
            self._held += text

    async def drain(self, finish: str | None = None, *, ends: bool = False) -> str:
        """The text that may be sent now: all but the largest window minus one, or at the end the rest."""
        if self._ended or self.stopped_by is not None or not (ends or len(self._held) >= self._size):
            return ""
        self._ended = ends
        try:
            if self._rules:
                await self._judge(finish, ends)
            await self._decide(ends)
        except _DidNotRunError as error:
            self._end(error.rule, error.verdict.reason)
        out, self._out = self._out, []
        return "".join(out)

    async def _judge(self, finish: str | None, ends: bool) -> None:
        """Judge every window that ends in what is new."""
        tape = _Tape(self._held, self._start, ends, finish, self._tokens)
        new, end = self._judged - self._start, len(self._held) + 1
        failed = await self._ask(tape.part(0, end), None)
        if failed:
            self._refuse_unrun(failed)
        for verdict in failed:
            rule = self._rules[verdict.validator]
            spans = await self._failing(rule, tape, new, tape.last(rule.size))
            if not spans and not any(rule in marks for marks in self._marks.values()):
                spans = tape.spans(verdict, 0, end)  # It broke its promise, so it is taken at its word.
            self._mark(rule, verdict.reason, spans, self._start)
        self._judged = self._start + len(self._held)

    async def _failing(self, rule: Rule, tape: _Tape, first: int, last: int) -> Spans:
        """What fails in the windows that end after ``first``, up to ``last``."""
        start = max(0, first + 1 - rule.size)
        failed = await self._ask(tape.part(start, last), rule)
        if not failed:
            return []
        self._refuse_unrun(failed)
        spans = await self._halves(rule, tape, first, last) if last - first > 1 else []
        return spans or tape.spans(failed[0], start, last)

    async def _halves(self, rule: Rule, tape: _Tape, first: int, last: int) -> Spans:
        middle = (first + last) // 2
        spans = await self._failing(rule, tape, first, middle)
        if spans and rule.ends:  # Where an answer ends for certain, what comes after need not be known.
            last = min(last, min(spans)[0] + rule.size - 1)
        return spans + (await self._failing(rule, tape, middle, last) if last > middle else [])

    async def _decide(self, ends: bool) -> None:
        """Let go, act on, or keep each character that no window to come can hold."""
        upto = len(self._held) if ends else len(self._held) - self._size + 1
        at = 0
        while at < upto and self.stopped_by is None:
            if self._redacting and self._start + at not in self._marks:
                await self._judge_seam(at, ends)
            marks = self._marks.pop(self._start + at, None)
            if marks is not None:
                self._act(marks)
                at += 1
                continue
            self._redacting = False
            stop = self._next_mark(at + 1, upto)
            self._send(self._held[at:stop], self._spelling(at, stop))
            at = stop
        self._drop(at)
        if ends and self.stopped_by is None and self._start in self._marks:
            self._act(self._marks.pop(self._start))

    def _next_mark(self, at: int, upto: int) -> int:
        """The next place with a mark, or ``upto``."""
        if not self._marks:
            return upto
        return next((place for place in range(at, upto) if self._start + place in self._marks), upto)

    async def _judge_seam(self, at: int, ends: bool) -> None:
        """After a redaction: judge what follows it beside what left before, of which it is now the neighbour."""
        right = self._held[at : at + self._size - 1]
        seam, near = len(self._left), ends and len(right) < self._size - 1
        tape = _Tape(self._left + right, self._sent - seam, near, floor=seam)
        failed = await self._ask(tape.part(0, len(tape.text) + 1), None) if right else ()
        if failed:
            self._refuse_unrun(failed)
        for verdict in failed:
            rule = self._rules[verdict.validator]
            spans = await self._failing(rule, tape, seam, tape.last(rule.size))
            self._mark(rule, verdict.reason, spans, self._start + at - seam)

    def _mark(self, rule: Rule, reason: str, spans: Spans, offset: int) -> None:
        for start, end in spans:
            for place in range(start, end):
                self._marks.setdefault(place + offset, {}).setdefault(rule, reason)

    def _refuse_unrun(self, failed: Sequence[Verdict]) -> None:
        """Stop here if a rule did not run, as its verdict is unknown; names the strictest such rule."""
        unrun = [verdict for verdict in failed if verdict.outcome is Outcome.DID_NOT_RUN]
        if unrun:
            verdict = max(unrun, key=lambda one: self._rules[one.validator].rank)
            raise _DidNotRunError(self._rules[verdict.validator], verdict)

    def _act(self, marks: dict[Rule, str]) -> None:
        """Do what the strictest rule that failed a character asks for; one redaction covers all overlapping ones."""
        rule = max(marks, key=lambda one: one.rank)
        if rule.ends:
            self._end(rule, marks[rule])
        elif not self._redacting:
            self._redacting = True
            self._note("redact", rule, marks[rule])
            self._send(rule.use.replacement, self._said_instead(rule))

    def _end(self, rule: Rule, reason: str) -> None:
        """End here. A redaction has to know what to redact: a rule of that kind which did not run ends it too."""
        self.stopped_by, self._held, self._marks = rule, "", {}
        self._note("replace" if rule.use.on_fail == "replace" else "stop", rule, reason)

    def _note(self, done: str, rule: Rule, reason: str) -> None:
        self.acts[f"{done} ({rule.use.name}: {reason})"] = None

    def _send(self, text: str, spelt: str) -> None:
        self._out.append(spelt)
        self._sent += len(text)
        seen = self._left + text
        self._left = seen[max(0, len(seen) - self._size + 1) :]

    def _spelling(self, start: int, end: int) -> str:
        """Held characters as the model wrote them."""
        return self._held[start:end]

    def _said_instead(self, rule: Rule) -> str:
        return rule.use.replacement

    def _drop(self, count: int) -> None:
        """Hold the first ones no more."""
        self._start, self._held = self._start + count, self._held[count:]
