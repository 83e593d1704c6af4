"""``POST /v1/chat/completions`` and ``POST /v1/completions``: the hot path, as raw ASGI."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack

import msgspec
from litestar.handlers import asgi
from litestar.handlers.asgi_handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from postil.gateway.admission.deadline import timed
from postil.gateway.errors import BadRequestError, EngineRefusedError, GatewayError, TooLargeError
from postil.gateway.lifecycle import Gateway
from postil.gateway.payload import Ask, Kind, read_ask
from postil.gateway.pipeline import JSON, Answer, complete
from postil.gateway.tenants import Caller

log = logging.getLogger(__name__)


def completion_routes(gateway: Gateway) -> list[ASGIRouteHandler]:
    """The two generation endpoints over one gateway."""
    return [_route(gateway, kind) for kind in Kind]


def _route(gateway: Gateway, kind: Kind) -> ASGIRouteHandler:
    @asgi(kind.value, copy_scope=False)
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        wire = Wire(send)
        if scope.get("method") != "POST":
            await wire.error(BadRequestError(f"{kind.value} takes POST"), status=405)
            return
        gateway.in_flight += 1
        try:
            await _respond(gateway, kind, scope, receive, wire)
        finally:
            gateway.in_flight -= 1

    return handler


async def _respond(gateway: Gateway, kind: Kind, scope: Scope, receive: Receive, wire: Wire) -> None:
    try:
        caller = gateway.directory.identify(_authorization(scope))
        ask = read_ask(kind, await _body(receive, gateway.settings.body_limit_mib << 20))
        ask = timed(ask, scope["headers"])
        await _until_gone(_answer(gateway, caller, ask, wire), receive)
    except GatewayError as error:
        await wire.error(error)
    except EngineRefusedError as error:
        await wire.whole(error.status, {"content-type": JSON}, error.body)
    except Exception:
        log.exception("a request failed")
        await wire.error(GatewayError("the gateway failed on this request; its log says why"))


async def _answer(gateway: Gateway, caller: Caller, ask: Ask, wire: Wire) -> None:
    async with AsyncExitStack() as open_streams:
        await wire.answer(await complete(gateway, caller, ask, open_streams))


async def _until_gone(work: Coroutine[None, None, None], receive: Receive) -> None:
    """Do the work until it is done or the client has left: then it is cancelled, and the engine stops too."""
    task, gone = asyncio.create_task(work), asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        for pending in (task, gone):
            pending.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise BadRequestError("the client left before its request was whole")
        parts.append(message["body"])
        size += len(message["body"])
        if size > limit:
            raise TooLargeError(f"the body is larger than {limit >> 20} MiB; send less")
        if not message["more_body"]:
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _authorization(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return value.decode("latin-1")
    return None


class Wire:
    """The way back to one client. What has begun is not begun again."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False

    async def answer(self, answer: Answer) -> None:
        """Send an answer, whole or as it comes."""
        headers = {"content-type": answer.content_type, **answer.headers}
        if isinstance(answer.body, bytes):
            await self.whole(200, headers, answer.body)
            return
        await self._begin(200, {**headers, "cache-control": "no-cache"})
        async for chunk in answer.body:
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def error(self, error: GatewayError, *, status: int | None = None) -> None:
        """Send an error in OpenAI's shape, unless an answer has begun: that one just ends."""
        headers = {"content-type": JSON}
        if error.retry_after is not None:
            headers["retry-after"] = str(error.retry_after)
        await self.whole(status or error.status, headers, msgspec.json.encode(error.openai()))

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send everything at once."""
        if self._begun:
            return
        await self._begin(status, {**headers, "content-length": str(len(body))})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        self._begun = True
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})
