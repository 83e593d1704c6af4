"""Counts a stream that is passed on: vLLM reports usage in every event, the client sees only what it asked for.

The engine is asked for ``continuous_usage_stats``, so that the count is known wherever the stream is cut off. Nothing
is parsed for that while the stream runs: the last count is kept as bytes. What the client did not ask for is cut out
again, and what it gets is to the byte what the engine would have sent without being asked. Inside a JSON text a quote
stands behind a backslash, so what is looked for here cannot be part of an answer.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from postil.gateway.engine.decode import decode, unreadable
from postil.gateway.errors import EngineUnavailableError
from postil.gateway.inference.streaming import sse

# vLLM writes JSON without spaces. The object holds numbers and at most one layer of objects with more of them.
_USAGE = re.compile(rb',"usage":(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})')
_INDEX = re.compile(rb'"index":(\d+)')
_FINGERPRINT = re.compile(rb',"system_fingerprint":"(?:[^"\\]|\\.)*"')
_FINISHED = b'"finish_reason":"'
_TOTAL = b'"choices":[]'


class Count(msgspec.Struct):
    """The engine's count of tokens; a missing or null one means that it counted none yet."""

    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0


class Choice(msgspec.Struct):
    """A choice of which nothing is read, but that it is an object."""


class Counted(msgspec.Struct):
    """The parts of an answer that are read: its count, and the choices that tell an answer from other JSON."""

    choices: list[Choice]
    usage: msgspec.Raw = msgspec.Raw(b"null")


_counts = msgspec.json.Decoder(Count)
_usages = msgspec.json.Decoder(Count | None)
_answers = msgspec.json.Decoder(Counted)


def of_answer(body: bytes) -> tuple[int, int] | None:
    """The prompt's and the answer's tokens of a whole answer, None if it does not say. Raises UnreadableAnswerError."""
    answer = decode(body, _answers)
    try:
        usage = _usages.decode(answer.usage)
    except msgspec.ValidationError:
        return None
    return None if usage is None else (usage.prompt_tokens or 0, usage.completion_tokens or 0)


class Fingerprint:
    """What the engine calls itself, as it is written at the end of a choice; None until it has been seen.

    The engine writes it there only where nobody asks for a count, and else into the event with the total.
    """

    def __init__(self) -> None:
        self.written: bytes | None = None


class UsageFilter:
    """One stream on its way. ``total`` and ``each`` say which counts the client asked for itself.

    ``choices`` is how many choices a prompt has where there are several in all, else None.
    """

    def __init__(self, fingerprint: Fingerprint, *, total: bool, each: bool, choices: int | None) -> None:
        self._fingerprint = fingerprint
        self._wants_total = total
        self._wants_each = total and each
        self._choices = choices
        # Whether the engine broke off.
        self.broken = False
        self._last: bytes | None = None
        self._by_choice: dict[int, bytes] = {}
        self._sum: bytes | None = None
        self._held: list[tuple[bytes, re.Match[bytes] | None]] = []

    async def filter(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The client's bytes for the engine's, whole events, one write for each read. Raises EngineUnavailableError."""
        cutter, fresh = sse.EventCutter(), True
        try:
            async for chunk in chunks:
                if fresh and not sse.is_stream(chunk):
                    raise unreadable("no stream of events")
                fresh = False
                events = cutter.cut(chunk)
                if events and (out := self.read(events)):
                    yield out
        except EngineUnavailableError:
            self.broken = True
            raise
        rest = self._let_go() + cutter.rest
        if rest:
            yield rest

    def read(self, events: bytes) -> bytes:
        """The bytes of whole events that the client gets."""
        if self._choices is None and not self._held and _FINISHED not in events and _TOTAL not in events:
            if self._wants_each:
                self._last = events if b'"usage"' in events else self._last
                return events
            found = _USAGE.search(events)
            if found is None:
                return events
            self._last = found[1]
            if found.end() + 4 > len(events):  # One event, with its count at the end, as nearly always.
                return events[: found.start()] + events[found.end() :]
            self._last = _USAGE.findall(events)[-1]
            return _USAGE.sub(b"", events)
        return b"".join([self._one(event) for event in sse.split(events)])

    def used(self) -> tuple[int, int] | None:
        """The prompt's and the answer's tokens so far, None if nothing can be read of them."""
        try:
            if self._sum is not None or not self._by_choice:
                return _read(self._sum or self._last or b"")
            counts = {index: _read(found) or (0, 0) for index, found in self._by_choice.items()}
        except (msgspec.DecodeError, UnicodeDecodeError):  # Then it is no vLLM, and nobody's answer is to break.
            return None
        prompts = {index // (self._choices or 1): prompt for index, (prompt, _) in counts.items()}
        return sum(prompts.values()), sum(completion for _, completion in counts.values())

    def _one(self, event: bytes) -> bytes:
        found = _USAGE.search(event)
        if found and _TOTAL in event:
            self._sum = found[1]
            named = _FINGERPRINT.search(event)
            self._fingerprint.written = named[0] if named else b""
            return self._let_go() + (event if self._wants_total else b"")
        if found:
            self._note(event, found[1])
        elif sse.is_done(event):
            return self._let_go() + event
        if self._held or (found and not self._wants_total and self._fingerprint.written is None and _FINISHED in event):
            self._held.append((event, found))  # The total comes next, and says what belongs into this.
            return b""
        return self._cleaned(event, found)

    def _note(self, event: bytes, count: bytes) -> None:
        index = None if self._choices is None else _INDEX.search(event)
        if index is None:
            self._last = count
        else:
            self._by_choice[int(index[1])] = count

    def _cleaned(self, event: bytes, found: re.Match[bytes] | None) -> bytes:
        """An event without its count, if the client did not ask for that, and as it would have been without it."""
        if found is None or self._wants_each:
            return event
        instead = (self._fingerprint.written or b"") if _FINISHED in event and not self._wants_total else b""
        return event[: found.start()] + instead + event[found.end() :]

    def _let_go(self) -> bytes:
        held, self._held = self._held, []
        return b"".join([self._cleaned(event, found) for event, found in held])


def _read(found: bytes) -> tuple[int, int] | None:
    """A count, or the last one in an event."""
    if not found.startswith(b"{"):
        counts = _USAGE.findall(found)
        if not counts:
            return None
        found = counts[-1]
    count = _counts.decode(found)
    return count.prompt_tokens or 0, count.completion_tokens or 0


def asking(request: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an engine's request for a stream, so that it counts all along."""
    options = request.get("stream_options") or {}
    return {**options, "include_usage": True, "continuous_usage_stats": True}
