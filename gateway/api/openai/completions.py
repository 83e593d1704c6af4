"""``POST /v1/chat/completions`` and ``POST /v1/completions``: the hot path, as raw ASGI."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from litestar.enums import ScopeType
from litestar.handlers import asgi
from litestar.handlers.asgi_handlers import ASGIRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from postil.gateway.api.denied import CallerDirectory, authorization, identify
from postil.gateway.api.error_responses import render
from postil.gateway.api.media_types import only_post, refuse_other_bodies
from postil.gateway.api.presence import until_gone
from postil.gateway.api.stream_comments import COMMENT, StreamComments
from postil.gateway.control.traffic import Traffic
from postil.gateway.errors import BadRequestError, EngineRefusedError, GatewayError, TooLargeError
from postil.gateway.inference.context import InferenceContext
from postil.gateway.inference.cost import check_cost
from postil.gateway.inference.cost_limits import CostLimits, TenantCostLimits
from postil.gateway.inference.deadline import deadline_of
from postil.gateway.inference.engine_refusal import told
from postil.gateway.inference.formats import Kind
from postil.gateway.inference.pipeline import EVENTS, PipelineResponse, complete
from postil.gateway.inference.request import CompletionRequest, parse, refuse_prompt_logprobs
from postil.gateway.inference.streaming.passthrough import error_event
from postil.gateway.tenancy.denied_attempts import DeniedSink
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.rate_limiter import RequestLimits

log = logging.getLogger(__name__)
RawHeaders = Iterable[tuple[bytes, bytes]]
_W = TypeVar("_W", bound="Wire")


@dataclass(frozen=True, slots=True)
class CompletionParts:
    """The parts of a gateway or worker that the endpoints that answer need.

    ``body_limit`` is the maximum body size in bytes, ``cost`` what one request may cost. ``prompt_logprobs`` says
    whether the engine may be asked for the probabilities of a prompt's tokens. A stream that is silent for
    ``comment_seconds`` says that it goes on.
    """

    context: InferenceContext
    callers: CallerDirectory
    denied: DeniedSink
    limits: RequestLimits
    traffic: Traffic
    body_limit: int
    cost: TenantCostLimits
    prompt_logprobs: bool
    comment_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Asked(Generic[_W]):
    """One request whose key is known and admitted, and whose body is still to be read."""

    parts: CompletionParts
    caller: Caller
    scope: Scope
    receive: Receive
    wire: _W


class CompletionsShortcut:
    """An ASGI application that routes the endpoints that answer past the web framework, by their paths.

    The framework's work per request would be a tenth of the cost of such a request here.
    """

    def __init__(self, app: ASGIApp, *handlers: Mapping[str, ASGIApp]) -> None:
        self._app = app
        self._hot = {path: handler for each in handlers for path, handler in each.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or handle the server's lifespan."""
        hot = self._hot.get(scope["path"]) if scope["type"] == ScopeType.HTTP else None  # A lifespan scope has no path.
        await (hot or self._app)(scope, receive, send)


def completion_handlers(parts: CompletionParts) -> dict[str, ASGIApp]:
    """Return the two completion endpoints by their paths."""
    return {kind.value: handler_of(parts, kind.value, partial(CompletionWire, kind), complete_one) for kind in Kind}


def routes_of(handlers: Mapping[str, ASGIApp]) -> list[ASGIRouteHandler]:
    """Return endpoints as routes of the framework."""
    return [asgi(path, copy_scope=False)(handler) for path, handler in handlers.items()]


def handler_of(
    parts: CompletionParts,
    path: str,
    wire_of: Callable[[Send, float], _W],
    answer: Callable[[Asked[_W]], Awaitable[None]],
) -> ASGIApp:
    """Return the endpoint at a path, which answers each request whose key is admitted by a wire of its own."""

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        wire = wire_of(send, parts.comment_seconds)
        if scope.get("method") != "POST":
            await wire.error(only_post(path), status=405)
            return
        parts.traffic.in_flight += 1
        try:
            await _respond(parts, path, answer, scope, receive, wire)
        finally:
            wire.comments.cancel()
            parts.traffic.in_flight -= 1

    return handler


async def _respond(
    parts: CompletionParts,
    path: str,
    answer: Callable[[Asked[_W]], Awaitable[None]],
    scope: Scope,
    receive: Receive,
    wire: _W,
) -> None:
    try:
        caller = identify(parts.callers, parts.denied, authorization(scope), scope, f"POST {path}")
        wire.headers = await parts.limits.admit(caller.limits)
        try:
            refuse_other_bodies(scope["headers"])
            await answer(Asked(parts, caller, scope, receive, wire))
        finally:
            parts.limits.left(caller.limits)
    except GatewayError as error:
        await wire.error(error)
    except EngineRefusedError as error:
        await wire.error(told(error, wire.prompt))
    except Exception:
        log.exception("a request failed")
        await wire.error(GatewayError("the gateway failed on this request; its log says why"))


async def complete_one(asked: Asked[CompletionWire]) -> None:
    """Read a request for a completion, and answer it."""
    parts, wire = asked.parts, asked.wire
    limits, raw = parts.cost.of(asked.caller.limits), await read_body(asked.receive, parts.body_limit)
    ask = wire.parse(raw, limits, asked.scope["headers"])
    check_cost(ask, limits)
    if not parts.prompt_logprobs:
        refuse_prompt_logprobs(ask)
    await until_gone(_answer(parts, asked.caller, ask, wire), asked.scope)


async def _answer(parts: CompletionParts, caller: Caller, ask: CompletionRequest, wire: Wire) -> None:
    async with AsyncExitStack() as open_streams:
        await wire.answer(await complete(parts.context, caller, ask, open_streams))


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body of a request. Raises TooLargeError, or BadRequestError if the client leaves."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise BadRequestError("the client disconnected before its request was complete")
        chunks.append(message["body"])
        size += len(message["body"])
        if size > limit:
            raise TooLargeError(f"the body is larger than {limit >> 20} MiB; send less")
        if not message["more_body"]:
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class Wire:
    """Sends the response to one client. A response that has started is not started again."""

    # Errors are written as those of this path are, and name the field that a prompt came in.
    path = "/v1"
    prompt = "prompt"

    def __init__(self, send: Send, comment_seconds: float = 0.0) -> None:
        self._send = send
        self._begun = self._is_held = False
        self._held: Mapping[str, str] = {}
        self.comments = StreamComments(self._comment, comment_seconds)
        # Headers of any response, filled in while the request runs.
        self.headers: Mapping[str, str] = {}

    async def answer(self, answer: PipelineResponse) -> None:
        """Send an answer, whole or streamed."""
        headers = {"content-type": answer.content_type, **answer.headers}
        if isinstance(answer.body, bytes):
            await self.whole(200, headers, answer.body)
            return
        await self._begin(200, {**headers, "cache-control": "no-cache"})
        comments = self.comments
        comments.start()
        async for chunk in answer.body:
            comments.quiet = False
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        await comments.settle()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def held(self, headers: Mapping[str, str]) -> None:
        """The engine works on an answer that will leave as a stream, and is held until it is whole."""
        self._held = headers
        self.comments.start()

    async def _comment(self) -> None:
        """Say that the stream goes on; with this it begins, where the answer is held."""
        if not self._begun:
            self._is_held = True
            await self._begin(200, {"content-type": EVENTS, **self._held, "cache-control": "no-cache"})
        await self._send({"type": "http.response.body", "body": COMMENT, "more_body": True})

    async def error(self, error: GatewayError, *, status: int | None = None) -> None:
        """Send an error in the path's format; if the response has started, just end it."""
        answer = render(self.path, error, status)
        await self.comments.settle()
        body = self.late_error(error) if self._is_held else answer.body
        await self.whole(answer.status, answer.headers, body)

    def late_error(self, error: GatewayError) -> bytes:
        """An error as the event that ends a stream, which had to begin before it was known."""
        return error_event(error)

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send a complete response; where the stream had to begin before it was known, it is the rest of that."""
        await self.comments.settle()
        if self._is_held:
            await self._send({"type": "http.response.body", "body": body, "more_body": False})
            return
        if self._begun:
            return
        await self._begin(status, {**headers, "content-length": str(len(body))})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        self._begun = True
        headers = {**headers, **self.headers} if self.headers else headers
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})


class CompletionWire(Wire):
    """Reads the request of one client, too."""

    def __init__(self, kind: Kind, send: Send, comment_seconds: float) -> None:
        super().__init__(send, comment_seconds)
        self.kind = kind
        self.prompt = "messages" if kind is Kind.CHAT else "prompt"

    def parse(self, raw: bytes, limits: CostLimits, headers: RawHeaders) -> CompletionRequest:
        """Read a body. Raises BadRequestError."""
        return parse(self.kind, raw, limits, deadline_of(headers), self.held)
