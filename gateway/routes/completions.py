"""``POST /v1/chat/completions`` and ``POST /v1/completions``: the hot path, as raw ASGI."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack

import msgspec
from litestar.handlers import asgi
from litestar.handlers.asgi_handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from postil.gateway.errors import (
    BadRequestError,
    EngineRefusedError,
    GatewayError,
    TooLargeError,
)
from postil.gateway.lifecycle import Gateway
from postil.gateway.payload import Kind, read_ask
from postil.gateway.pipeline import JSON, Answer, complete

log = logging.getLogger(__name__)


def completion_routes(gateway: Gateway) -> list[ASGIRouteHandler]:
    """The two generation endpoints over one gateway."""
    return [_route(gateway, kind) for kind in Kind]


def _route(gateway: Gateway, kind: Kind) -> ASGIRouteHandler:
    @asgi(kind.value, copy_scope=False)
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") != "POST":
            await _send_error(send, BadRequestError(f"{kind.value} takes POST"), status=405)
            return
        await _until_gone(_respond(gateway, kind, scope, receive, send), receive, scope)

    return handler


async def _respond(gateway: Gateway, kind: Kind, scope: Scope, receive: Receive, send: Send) -> None:
    started = False
    gateway.in_flight += 1
    try:
        caller = gateway.directory.identify(_authorization(scope))
        ask = read_ask(kind, await _body(receive, gateway.settings.body_limit_mib << 20))
        _body_is_read(scope)
        async with AsyncExitStack() as open_streams:
            answer = await complete(gateway, caller, ask, open_streams)
            started = True
            await _send_answer(send, answer)
    except GatewayError as error:
        await _send_error(send, error)
    except EngineRefusedError as error:
        await _send(send, error.status, {"content-type": JSON}, error.body)
    except Exception:
        log.exception("a request failed")
        if not started:
            await _send_error(send, GatewayError("the gateway failed on this request; its log says why"))
    finally:
        gateway.in_flight -= 1


async def _until_gone(work: object, receive: Receive, scope: Scope) -> None:
    """Do the work until it is done or the client has left; then the engine stops generating too."""
    read = asyncio.Event()
    scope["state"]["body_read"] = read
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    gone = asyncio.create_task(_gone(receive, read))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pending in (task, gone):
            pending.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


def _body_is_read(scope: Scope) -> None:
    scope["state"]["body_read"].set()


async def _gone(receive: Receive, read: asyncio.Event) -> None:
    await read.wait()
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


async def _send_answer(send: Send, answer: Answer) -> None:
    if isinstance(answer.body, bytes):
        await _send(send, 200, {"content-type": answer.content_type, **answer.headers}, answer.body)
        return
    headers = {"content-type": answer.content_type, "cache-control": "no-cache", **answer.headers}
    await send({"type": "http.response.start", "status": 200, "headers": _raw(headers)})
    async for chunk in answer.body:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_error(send: Send, error: GatewayError, *, status: int | None = None) -> None:
    headers = {"content-type": JSON}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    await _send(send, status or error.status, headers, msgspec.json.encode(error.openai()))


async def _send(send: Send, status: int, headers: Mapping[str, str], body: bytes) -> None:
    length = {"content-length": str(len(body))}
    await send({"type": "http.response.start", "status": status, "headers": _raw({**headers, **length})})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


