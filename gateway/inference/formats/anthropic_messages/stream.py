"""Writes a chat's stream as the events of a message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from postil.gateway.inference.formats.anthropic_messages.answer import MessageObject, ending_of, usage_of
from postil.gateway.inference.formats.anthropic_messages.errors import error_body
from postil.gateway.inference.formats.blocks import Block, BlockKind, BlockStream, Change, Step
from postil.gateway.inference.formats.events import ChoiceDelta
from postil.gateway.inference.formats.translated import ChatEvent, NamedEvent

# How a piece of a block is called, and what it is a piece of.
_DELTAS = {
    BlockKind.TEXT: ("text_delta", "text"),
    BlockKind.REASONING: ("thinking_delta", "thinking"),
    BlockKind.CALL: ("input_json_delta", "partial_json"),
}
_NOT_ENDED: Mapping[str, Any] = {"stop_reason": None, "stop_sequence": None}


class MessageEvents:
    """One message as it is streamed."""

    def __init__(self, message: MessageObject, *, held: bool) -> None:
        self._message = message
        self._stream = BlockStream(held=held)
        self._begun = False
        self._last: ChoiceDelta | None = None
        self._usage: dict[str, Any] | None = None
        self._postil: dict[str, Any] | None = None
        # By the block's number among all: its number among those that the client sees.
        self._numbers: dict[int, int] = {}

    def take(self, event: ChatEvent) -> Sequence[NamedEvent]:
        """An event of the chat."""
        self._usage, self._postil = event.usage or self._usage, event.postil or self._postil
        events = self._begin(event)
        for choice in event.choices:
            self._last = choice if choice.finish_reason is not None else self._last
            events += self._steps(self._stream.feed(choice))
        return events

    def end(self) -> Sequence[NamedEvent]:
        """The chat is complete."""
        events = self._begin(ChatEvent()) + self._steps(self._stream.finish())
        ending = ending_of(self._last, self._stream.blocks)
        more = {"postil": self._postil} if self._postil else {}
        delta = _event("message_delta", delta=ending, usage=usage_of(self._usage), **more)
        return [*events, delta, _event("message_stop")]

    def fail(self, error: Mapping[str, Any]) -> Sequence[NamedEvent]:
        """The chat broke off."""
        told = error_body(_STATUSES.get(str(error.get("code")), 500), str(error.get("message") or "it broke off"))
        return [*self._begin(ChatEvent()), NamedEvent("error", told)]

    def _begin(self, event: ChatEvent) -> list[NamedEvent]:
        if self._begun:
            return []
        self._begun = True
        self._message.model = event.model or self._message.model
        begun = self._message.write([], _NOT_ENDED, event.usage)
        return [_event("message_start", message=begun), _event("ping")]

    def _steps(self, steps: Iterable[Step]) -> list[NamedEvent]:
        shown = self._message.shown
        return [self._step(step) for step in steps if shown([step.block])]

    def _step(self, step: Step) -> NamedEvent:
        number = self._numbers.setdefault(step.block.number, len(self._numbers))
        if step.change is Change.BEGINS:
            return _event("content_block_start", index=number, content_block=self._begun_block(step.block))
        if step.change is Change.ENDS:
            return _event("content_block_stop", index=number)
        kind, key = _DELTAS[step.block.kind]
        return _event("content_block_delta", index=number, delta={"type": kind, key: step.text})

    def _begun_block(self, block: Block) -> dict[str, Any]:
        return self._message.begun(block)


_STATUSES = {"engine_unavailable": 503}


def _event(name: str, **content: Any) -> NamedEvent:
    return NamedEvent(name, {"type": name, **content})
