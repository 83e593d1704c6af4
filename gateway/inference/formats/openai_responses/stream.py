"""Writes a chat's stream as the events of a response."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from postil.gateway.inference.formats.blocks import Block, BlockKind, BlockStream, Change, Step
from postil.gateway.inference.formats.openai_responses.answer import (
    COMPLETED,
    IN_PROGRESS,
    Json,
    ResponseObject,
    is_complete,
    item_status,
    part_of,
)
from postil.gateway.inference.formats.translated import ChatEvent, NamedEvent

_DELTAS = {
    BlockKind.TEXT: "response.output_text.delta",
    BlockKind.CALL: "response.function_call_arguments.delta",
    BlockKind.REASONING: "response.reasoning_text.delta",
}


class ResponseEvents:
    """One response as it is streamed. Items that wait for their end are written when the chat's reason is known."""

    def __init__(self, response: ResponseObject, *, held: bool) -> None:
        self._response = response
        self._stream = BlockStream(held=held)
        self._number = 0
        self._begun = False
        self._finish_reason: str | None = None
        self._usage: dict[str, Any] | None = None
        self._postil: dict[str, Any] | None = None
        self._done: list[Json] = []

    def take(self, event: ChatEvent) -> Sequence[NamedEvent]:
        """An event of the chat."""
        self._usage, self._postil = event.usage or self._usage, event.postil or self._postil
        events = self._begin(event)
        for choice in event.choices:
            self._finish_reason = choice.finish_reason or self._finish_reason
            events += self._steps(self._stream.feed(choice))
        return events

    def end(self) -> Sequence[NamedEvent]:
        """The chat is complete."""
        events = self._begin(ChatEvent()) + self._steps(self._stream.finish())
        more = {"postil": self._postil} if self._postil else {}
        whole = {**self._response.ended(self._done, self._finish_reason, self._usage), **more}
        name = "response.completed" if is_complete(self._finish_reason) else "response.incomplete"
        return [*events, self._event(name, response=whole)]

    def fail(self, error: Mapping[str, Any]) -> Sequence[NamedEvent]:
        """The chat broke off."""
        told = {"code": "server_error", "message": str(error.get("message") or "the answer broke off")}
        failed = self._response.write("failed", self._done, error=told)
        return [*self._begin(ChatEvent()), self._event("response.failed", response=failed)]

    def _begin(self, event: ChatEvent) -> list[NamedEvent]:
        if self._begun:
            return []
        self._begun = True
        self._response.model = event.model or self._response.model
        self._response.created = event.created
        names = ("response.created", "response.in_progress")
        return [self._event(name, response=self._response.write(IN_PROGRESS, [])) for name in names]

    def _steps(self, steps: Iterable[Step]) -> list[NamedEvent]:
        return [event for step in steps for event in self._step(step)]

    def _step(self, step: Step) -> list[NamedEvent]:
        if step.change is Change.BEGINS:
            return self._opened(step.block)
        if step.change is Change.ENDS:
            return self._closed(step.block)
        logprobs: Json = {"logprobs": []} if step.block.kind is BlockKind.TEXT else {}
        return [self._event(_DELTAS[step.block.kind], **self._place(step.block), delta=step.text, **logprobs)]

    def _opened(self, block: Block) -> list[NamedEvent]:
        item = self._response.item(block, IN_PROGRESS)
        events = [self._event("response.output_item.added", output_index=block.number, item=item)]
        if block.kind is not BlockKind.CALL:
            part = part_of(block, "")
            events.append(self._event("response.content_part.added", **self._place(block), part=part))
        return events

    def _closed(self, block: Block) -> list[NamedEvent]:
        place, text = self._place(block), block.text
        if block.kind is BlockKind.CALL:
            name = "response.function_call_arguments.done"
            events = [self._event(name, **place, name=block.name, arguments=text)]
        else:
            kind = "output_text" if block.kind is BlockKind.TEXT else "reasoning_text"
            logprobs: Json = {"logprobs": []} if block.kind is BlockKind.TEXT else {}
            events = [
                self._event(f"response.{kind}.done", **place, text=text, **logprobs),
                self._event("response.content_part.done", **place, part=part_of(block, text)),
            ]
        last = block.number == len(self._stream.blocks) - 1
        status = item_status(self._finish_reason, last=last) if last else COMPLETED
        item = self._response.item(block, status)
        self._done.append(item)
        return [*events, self._event("response.output_item.done", output_index=block.number, item=item)]

    def _place(self, block: Block) -> Json:
        place: Json = {"item_id": self._response.item_id(block), "output_index": block.number}
        return place if block.kind is BlockKind.CALL else {**place, "content_index": 0}

    def _event(self, event: str, **content: Any) -> NamedEvent:
        number, self._number = self._number, self._number + 1
        return NamedEvent(event, {"type": event, "sequence_number": number, **content})
