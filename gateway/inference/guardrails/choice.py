"""One choice of a streamed answer: each of its texts is held back separately, as clients assemble them.

A choice has several texts: what it says, what it thought before, and the arguments of each tool call. Each is judged
by itself and leaves in its own time; the last characters of all of them leave when the choice ends, because nobody
but the engine knows whether more of one will come.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import msgspec

from postil.gateway.engine.decode import unreadable
from postil.gateway.errors import EngineUnavailableError
from postil.gateway.inference import responses as answers
from postil.gateway.inference.formats import FORMATS, Kind
from postil.gateway.inference.formats.base import Choice, Part
from postil.gateway.inference.formats.events import ChoiceDelta, ToolCallDelta
from postil.gateway.inference.guardrails.holdback import HoldbackBuffer, Rule
from postil.gateway.inference.guardrails.tool_arguments import ToolArguments
from postil.gateway.inference.guardrails.window_validators import WindowValidators
from postil.plugins import Token

FILTERED = "content_filter"
# Made by the engine, of random digits. Any other id may be of the model's making, and is judged as its words are.
_MINTED = re.compile(r"(chatcmpl-tool-|call_)[0-9a-f]+")


class HeldChoice:
    """One choice on its way out. ``ended`` once its last part has left; ``cut`` if that was not the engine's doing.

    ``sent`` is what has left of its main text, and ``acts`` what was done to any of its texts, and why.
    """

    def __init__(self, index: int, kind: Kind, panel: WindowValidators, tokens: Sequence[Token] = ()) -> None:
        self.index = index
        self.window_validators = panel
        self.ended = False
        self.cut = False
        self.acts: dict[str, None] = {}
        self.sent = ""
        self._wire = FORMATS[kind]
        self._main: Hashable = self._wire.main_text
        self._tokens = tokens
        self._holders: dict[Hashable, HoldbackBuffer] = {}
        self._names: dict[int, str] = {}
        self._ids: dict[int, str] = {}
        self._beginning: list[int] = []  # Tool calls that have a name and that the client knows nothing of yet.
        self._last: ChoiceDelta | None = None
        self._begun = self._wire.opening is None

    def feed(self, delta: ChoiceDelta) -> None:
        """Keep what came. Raises EngineUnavailableError at what no engine should send."""
        for key, text in self._wire.texts_of(delta):
            self._hold(key, text)
        for call in self._wire.tool_calls_of(delta):
            self._take_call(call)
        if delta.finish_reason is not None:
            self._last = delta

    def finish(self) -> None:
        """No more of this choice will come."""
        if self._last is None:
            self._last = ChoiceDelta(self.index, finish_reason="stop")

    async def drain(self) -> list[Part]:
        """What may leave now, as parts of events; the last one has a finish reason."""
        if self.ended:
            return []
        parts = [] if self._begun else [self._part(self._wire.opening or {})]
        self._begun = True
        if self._last is not None and not (self._holders or self._names):
            self._holders[self._main] = self._holder(self._main)  # To say nothing is to say something.
        over = await self._release(parts)
        return parts if over is None and self._last is None else [*parts, *self._end(over)]

    async def _release(self, parts: list[Part]) -> Rule | None:
        """Texts first, then one tool call after the other. Returns the rule at which the choice ends, if it does."""
        ends = self._last is not None
        over = await self._drain(parts, [key for key in self._holders if not isinstance(key, tuple)], ends=ends)
        while over is None and self._beginning:
            over = await self._begin_call(parts) or await self._drain(parts, self._arguments(), ends=ends)
        return over or await self._drain(parts, self._arguments(), ends=ends)

    async def _drain(self, parts: list[Part], keys: Sequence[Hashable], *, ends: bool) -> Rule | None:
        """Let each of these texts go as far as it may."""
        for key in keys:
            holder = self._holders[key]
            text = await holder.drain(self._last.finish_reason if self._last else None, ends=ends)
            self.acts |= holder.acts
            if text:
                parts.append(self._text(key, text))
            if holder.stopped_by is not None:
                return _strictest(holder.stopped_by, await self._drain(parts, self._before(key), ends=True))
        return None

    def _before(self, key: Hashable) -> list[Hashable]:
        """The texts that began before this one: of them, the rest is still due where the choice ends."""
        known, begun = [*self._holders], self._arguments()
        before = known[: known.index(key) if key in known else None]
        return [one for one in before if one in begun or not isinstance(one, tuple)]

    def _arguments(self) -> list[Hashable]:
        """Those of the tool calls that the client knows of."""
        return [key for key in self._holders if isinstance(key, tuple) and key[1] not in self._beginning]

    async def _begin_call(self, parts: list[Part]) -> Rule | None:
        """A new tool call: its name leaves whole, as clients need it."""
        index = self._beginning[0]
        known, name = self._ids.get(index), HoldbackBuffer(self.window_validators.rules, self.window_validators.ask)
        made = HoldbackBuffer(
            () if known and _MINTED.fullmatch(known) else self.window_validators.rules, self.window_validators.ask
        )
        name.feed(self._names[index])
        made.feed(known or "")
        called = {"name": await name.drain(ends=True), "arguments": ""}
        call = {"index": index, "id": await made.drain(ends=True) if known else None, "type": "function"}
        self.acts |= {**name.acts, **made.acts}
        over = _strictest(name.stopped_by, made.stopped_by)
        if over is not None:
            return _strictest(over, await self._drain(parts, self._before(("arguments", index)), ends=True))
        parts.append(self._part({"tool_calls": [{**call, "function": called}]}))
        del self._beginning[0]
        return None

    def _take_call(self, call: ToolCallDelta) -> None:
        if call.id:
            self._ids.setdefault(call.index, call.id)
        if call.function is None:
            return
        name = call.function.name
        if name and call.index not in self._names:
            self._beginning.append(call.index)
        if name and self._names.setdefault(call.index, name) != name:
            raise EngineUnavailableError("the engine sent one tool call under two names; ask again")
        self._hold(("arguments", call.index), call.function.arguments)

    def _hold(self, key: Hashable, text: str | None) -> None:
        if text:
            if key not in self._holders:
                self._holders[key] = self._holder(key)
            self._holders[key].feed(text)

    def _holder(self, key: Hashable) -> HoldbackBuffer:
        if isinstance(key, tuple):
            return ToolArguments(self.window_validators.rules, self.window_validators.ask)
        return HoldbackBuffer(
            self.window_validators.rules, self.window_validators.ask, self._tokens if key == self._main else ()
        )

    def _end(self, over: Rule | None) -> list[Part]:
        self.ended, self.cut = True, over is not None
        last = self._part({})
        if over is None:
            assert self._last is not None, "an end has a cause"
            last["finish_reason"] = self._last.finish_reason
            if self._last.stop_reason is not None:
                last["stop_reason"] = self._last.stop_reason
            return [last]
        last["finish_reason"] = FILTERED
        replaces = over.use.on_fail == "replace" and over.use.replacement
        return [self._text(self._main, over.use.replacement), last] if replaces else [last]

    def _text(self, key: Hashable, text: str) -> Part:
        if key == self._main:
            self.sent += text
        if isinstance(key, tuple):
            return self._part({"tool_calls": [{"index": key[1], "function": {"arguments": text}}]})
        return self._part({str(key): text})

    def _part(self, fields: Mapping[str, Any]) -> Part:
        return {"index": self.index, **self._wire.part(fields), "logprobs": None, "finish_reason": None}


async def settle(panel: WindowValidators, choice: Choice, kind: Kind) -> HeldChoice:
    """Judge a whole choice as if it had been streamed, and rewrite it in place if anything of it fails.

    Raises UnreadableAnswerError.
    """
    wire = FORMATS[kind]
    held = HeldChoice(choice["index"], kind, panel, wire.completion_of(choice).tokens)
    try:
        held.feed(wire.as_delta(choice))
    except msgspec.ValidationError as error:
        raise unreadable(type(error).__name__) from None
    held.finish()
    parts = await held.drain()
    if held.acts:  # Nothing else of what was there stays.
        answers.clear(choice)
        choice |= {**wire.assembled(parts), "finish_reason": parts[-1]["finish_reason"]}
    return held


def _strictest(*rules: Rule | None) -> Rule | None:
    return max((rule for rule in rules if rule is not None), key=lambda rule: rule.rank, default=None)
