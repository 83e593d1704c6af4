"""Streams a release's answer through its validators' windows: the engine's events in, the client's events out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from postil.gateway.errors import EngineUnavailableError, GatewayError
from postil.gateway.inference.cost import choices_per_prompt, is_batch
from postil.gateway.inference.formats import FORMATS
from postil.gateway.inference.formats.base import Part
from postil.gateway.inference.formats.events import ChoiceDelta, Event, read_event
from postil.gateway.inference.guardrails.choice import HeldChoice
from postil.gateway.inference.guardrails.client_caused import is_client_caused
from postil.gateway.inference.guardrails.enforcer import Enforcer
from postil.gateway.inference.record import RequestRecord
from postil.gateway.inference.request import CompletionRequest, counts_along
from postil.gateway.inference.responses import new_id
from postil.gateway.inference.streaming.passthrough import error_event
from postil.gateway.inference.streaming.sse import DONE, EventReader, write

log = logging.getLogger(__name__)


async def streamed(
    answering: Enforcer, record: RequestRecord, chunks: AsyncIterator[bytes], cancel: Callable[[], Awaitable[None]]
) -> AsyncIterator[bytes]:
    """The events for the client, one write for each read. ``cancel`` ends the engine's request before its time.

    Where the engine breaks off, an error event stands in place of ``[DONE]``, and what was not judged is gone.
    """
    stream = _Stream(answering, record.request, record.route.release.ref.name)
    try:
        async for chunk in chunks:
            out = await stream.read(chunk)
            if out:
                record.begins()
                yield _kept(record, out)
            if stream.over:
                break
        if stream.over and not stream.done:
            await cancel()
        last = await stream.end()
    except Exception as error:
        problem = _problem(record, error)
        record.engine_error = isinstance(problem, EngineUnavailableError)
        last = error_event(problem)
    _judge(record, acted=stream.acted)
    _kept(record, last)
    record.finish()
    yield last
    if stream.done:  # Read to its end, the connection can serve the next request.
        with suppress(GatewayError):
            async for _ in chunks:
                pass


def _judge(record: RequestRecord, *, acted: bool) -> None:
    if acted:
        record.fail_validation(client_caused=is_client_caused(record.request, record.route.release, None))
        record.fell_back = True


def _kept(record: RequestRecord, out: bytes) -> bytes:
    if record.raw is not None:
        record.raw.append(out)
    return out


def _problem(record: RequestRecord, error: Exception) -> GatewayError:
    if isinstance(error, GatewayError):
        return error
    log.error("a stream of %s failed", record.route.release.ref, exc_info=error)
    return GatewayError("the gateway failed on this request; its log says why")


class _Stream:
    """One answer with its choices. ``over`` when nothing more of the engine's is wanted; ``done`` if it said so."""

    def __init__(self, answering: Enforcer, ask: CompletionRequest, model: str) -> None:
        self.over = False
        self._answering = answering
        self._ask = ask
        self._model = model
        self._reader = EventReader()
        self._expected = _expected(ask)
        self._choices: dict[int, HeldChoice] = {}
        self._head: dict[str, Any] = {}
        self._usage: dict[int, dict[str, Any]] = {}
        self._total: dict[str, Any] | None = None
        self._last = b""
        self._counts_along = counts_along(ask)

    @property
    def done(self) -> bool:
        return self._reader.done

    @property
    def acted(self) -> bool:
        """Whether a validator stopped or changed the answer."""
        return any(choice.acts for choice in self._choices.values())

    async def read(self, chunk: bytes) -> bytes:
        """The events to send after a read from the engine."""
        touched: dict[int, HeldChoice] = {}
        for data in self._reader.read(chunk):
            self._take(read_event(data), touched)
        out = await self._let_go([*touched.values()])
        self.over = self.done or self._is_cut_off()
        if self.over:  # One write for this and for what ends the stream.
            self._last, out = out, b""
        return out

    async def end(self) -> bytes:
        """The rest, to ``[DONE]``. Raises EngineUnavailableError if the engine broke off before its end."""
        if not self.over:
            raise EngineUnavailableError("the engine broke off in the middle of the answer; ask again")
        going = [choice for choice in self._choices.values() if not choice.ended]
        for choice in going:
            choice.finish()
        out = self._last + await self._let_go(going)
        if self._ask.include_usage and (usage := self._total or self._counted()):
            out += self._event([], usage)
        return out + DONE

    def _take(self, event: Event, touched: dict[int, HeldChoice]) -> None:
        if not self._head:
            self._head = _head(event, self._ask, self._model)
        for delta in event.choices:
            choice = self._choice(delta)
            if not choice.ended:
                choice.feed(delta)
                touched[delta.index] = choice
            if event.usage is not None:
                self._usage[delta.index] = event.usage
        if not event.choices:
            self._total = event.usage

    def _choice(self, delta: ChoiceDelta) -> HeldChoice:
        if delta.index not in self._choices:
            self._choices[delta.index] = HeldChoice(delta.index, self._ask.kind, self._answering.window_validators())
        return self._choices[delta.index]

    async def _let_go(self, choices: Sequence[HeldChoice]) -> bytes:
        if len(choices) == 1:
            return await self._events(choices[0])
        return b"".join(await asyncio.gather(*(self._events(choice) for choice in choices)))

    async def _events(self, choice: HeldChoice) -> bytes:
        parts = await choice.drain()
        told = await self._answering.client_notes(choice) if choice.ended and parts else {}
        so_far = self._so_far(choice.index)
        events = [self._event([part], so_far) for part in parts[:-1]]
        return b"".join([*events, *(self._event([part], so_far, told) for part in parts[-1:])])

    def _so_far(self, index: int) -> dict[str, Any] | None:
        """What a choice has used up to here, where the client wants that with every event, as engines tell it."""
        return self._usage.get(index) if self._counts_along else None

    def _event(self, parts: list[Part], usage: dict[str, Any] | None, told: dict[str, str] | None = None) -> bytes:
        event: dict[str, Any] = {**self._head, "choices": parts}
        if self._ask.include_usage:
            event["usage"] = usage
        if told:
            event["postil"] = told
        return write(event)

    def _is_cut_off(self) -> bool:
        """Whether every choice has ended, and one of them before the engine's own end."""
        choices = self._choices.values()
        return (
            len(choices) == self._expected
            and all(choice.ended for choice in choices)
            and any(choice.cut for choice in choices)
        )

    def _counted(self) -> dict[str, Any] | None:
        """What was used up to where the engine was cut off."""
        if not self._usage:
            return None
        prompt = max(usage.get("prompt_tokens") or 0 for usage in self._usage.values())
        completion = sum(usage.get("completion_tokens") or 0 for usage in self._usage.values())
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _head(event: Event, ask: CompletionRequest, model: str) -> dict[str, Any]:
    """What every event of an answer begins with, under the public name."""
    head = {
        "id": event.id or new_id(ask.kind),
        "object": FORMATS[ask.kind].event_object,
        "created": event.created or int(time.time()),
        "model": model,
    }
    return head if event.system_fingerprint is None else {**head, "system_fingerprint": event.system_fingerprint}


def _expected(ask: CompletionRequest) -> int | None:
    """How many choices will come; None for a list of prompts, where each has some."""
    return None if is_batch(ask) else choices_per_prompt(ask) or 1
