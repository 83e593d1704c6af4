"""``POST /v1/responses`` and ``POST /v1/messages``: answered as chats are, in their own shapes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from litestar.types import ASGIApp, Send

from postil.gateway.api.openai.completions import CompletionParts, CompletionWire, RawHeaders, complete_one, handler_of
from postil.gateway.errors import GatewayError
from postil.gateway.inference.cost_limits import CostLimits
from postil.gateway.inference.deadline import deadline_of
from postil.gateway.inference.formats import TRANSLATED, Kind, TranslatedFormat
from postil.gateway.inference.formats.translated import Translation
from postil.gateway.inference.pipeline import EVENTS, PipelineResponse
from postil.gateway.inference.request import CompletionRequest
from postil.gateway.inference.streaming.translated import failed_stream, translated_events, translated_stream
from postil.gateway.inference.translate import parse_translated, rename_fields, translated_answer


def translated_handlers(parts: CompletionParts) -> dict[str, ASGIApp]:
    """Return the endpoints of other APIs by their paths."""
    return {api.path: handler_of(parts, api.path, partial(TranslatedWire, api), complete_one) for api in TRANSLATED}


class TranslatedWire(CompletionWire):
    """Reads a request of another API as a chat, and sends the chat's answer in the API's shape."""

    _translation: Translation

    def __init__(self, api: TranslatedFormat, send: Send, comment_seconds: float) -> None:
        super().__init__(Kind.CHAT, send, comment_seconds)
        self._api = api
        self.path = api.path

    def parse(self, raw: bytes, limits: CostLimits, headers: RawHeaders) -> CompletionRequest:
        """Read a body. Raises BadRequestError."""
        ask, self._translation = parse_translated(self._api, raw, limits, deadline_of(headers), self.held)
        return ask

    async def answer(self, answer: PipelineResponse) -> None:
        """Send an answer, whole or streamed."""
        await super().answer(self._translated(answer))

    async def error(self, error: GatewayError, *, status: int | None = None) -> None:
        """Send an error in the API's format and words."""
        rename_fields(self._api, error)
        await super().error(error, status=status)

    def late_error(self, error: GatewayError) -> bytes:
        """An error as the events that end a stream, which had to begin before it was known."""
        return failed_stream(error, self._translation.events(held=False))

    def _translated(self, answer: PipelineResponse) -> PipelineResponse:
        if answer.content_type != EVENTS:
            assert isinstance(answer.body, bytes), "only events come one by one"
            return replace(answer, body=translated_answer(self._translation, answer.body))
        writer = self._translation.events(held=answer.held)
        if isinstance(answer.body, bytes):
            return replace(answer, body=translated_events(answer.body, writer))
        return replace(answer, body=translated_stream(answer.body, writer))
