"""``POST /v1/responses`` and ``POST /v1/messages``: answered as chats are, in their own shapes."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

import msgspec
from litestar.types import ASGIApp, Send

from postil.gateway.api.openai.completions import CompletionParts, RawHeaders, Wire, handler_of
from postil.gateway.errors import EngineRefusedError, GatewayError
from postil.gateway.inference.context import InferenceContext
from postil.gateway.inference.cost_limits import CostLimits
from postil.gateway.inference.count_tokens import count_tokens
from postil.gateway.inference.deadline import deadline_of
from postil.gateway.inference.formats import COUNT, TRANSLATED, Kind, TranslatedFormat
from postil.gateway.inference.formats.anthropic_messages.errors import error_body
from postil.gateway.inference.formats.anthropic_messages.table import PATH as MESSAGES
from postil.gateway.inference.formats.translated import Translation
from postil.gateway.inference.pipeline import EVENTS, JSON, PipelineResponse
from postil.gateway.inference.request import CompletionRequest
from postil.gateway.inference.streaming.translated import translated_events, translated_stream
from postil.gateway.inference.translate import parse_translated, rename_fields, translated_answer
from postil.gateway.tenancy.directory import Caller


def translated_handlers(parts: CompletionParts) -> dict[str, ASGIApp]:
    """Return the endpoints of other APIs by their paths."""
    handlers = {api.path: handler_of(parts, api.path, partial(TranslatedWire, api)) for api in TRANSLATED}
    return {**handlers, COUNT.path: handler_of(parts, COUNT.path, partial(CountingWire, COUNT))}


class TranslatedWire(Wire):
    """Reads a request of another API as a chat, and sends the chat's answer in the API's shape."""

    _translation: Translation

    def __init__(self, api: TranslatedFormat, send: Send) -> None:
        super().__init__(Kind.CHAT, send)
        self._api = api
        self.path = api.path

    def parse(self, raw: bytes, limits: CostLimits, headers: RawHeaders) -> CompletionRequest:
        """Read a body. Raises BadRequestError."""
        ask, self._translation = parse_translated(self._api, raw, limits, deadline_of(headers))
        return ask

    async def answer(self, answer: PipelineResponse) -> None:
        """Send an answer, whole or streamed."""
        await super().answer(self._translated(answer))

    async def error(self, error: GatewayError, *, status: int | None = None) -> None:
        """Send an error in the API's format and words."""
        rename_fields(self._api, error)
        await super().error(error, status=status)

    async def refused(self, error: EngineRefusedError) -> None:
        """Send what the engine said in place of an answer."""
        if self.path.startswith(MESSAGES):
            body = msgspec.json.encode(error_body(error.status, error.message))
            error = EngineRefusedError(error.status, body)
        await super().refused(error)

    def _translated(self, answer: PipelineResponse) -> PipelineResponse:
        if answer.content_type != EVENTS:
            assert isinstance(answer.body, bytes), "only events come one by one"
            return replace(answer, body=translated_answer(self._translation, answer.body))
        writer = self._translation.events(held=answer.held)
        if isinstance(answer.body, bytes):
            return replace(answer, body=translated_events(answer.body, writer))
        return replace(answer, body=translated_stream(answer.body, writer))


class CountingWire(TranslatedWire):
    """Reads a request of another API, and says how many tokens its prompt has."""

    async def complete(
        self, context: InferenceContext, caller: Caller, ask: CompletionRequest, open_streams: AsyncExitStack
    ) -> PipelineResponse:
        """Have the tokens counted. Raises GatewayError, or EngineRefusedError with what the engine said."""
        counted = await count_tokens(context, caller, ask)
        return PipelineResponse({}, JSON, msgspec.json.encode({"input_tokens": counted}))

    def _translated(self, answer: PipelineResponse) -> PipelineResponse:
        return answer
