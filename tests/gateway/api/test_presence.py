"""What runs for a client ends when the client leaves, however much it sent before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from postil.gateway.api.presence import PRESENCE, Presence, until_gone
from postil.gateway.settings import HttpLimits
from tests.fakes.http import Receive, Scope, Send, respond
from tests.gateway.conftest import until
from tests.gateway.server.test_http_protocol import POST, at


class Waits:
    """Reads a request and waits for ever; notes how many it began, and how many ended because their client left."""

    def __init__(self) -> None:
        self.begun = self.cancelled = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass
        await until_gone(self._work(), scope)  # type: ignore[arg-type]
        await respond(send, 200, b"{}")

    async def _work(self) -> None:
        self.begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled += 1


@asynccontextmanager
async def asked(app: Any, raw: bytes) -> AsyncIterator[asyncio.StreamWriter]:
    """A connection on which this was sent."""
    async with at(app, HttpLimits()) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(raw)
        await writer.drain()
        yield writer
        writer.close()


@pytest.mark.parametrize("size", [0, 100, 400_000])
async def test_who_leaves_ends_the_work_whatever_the_size_of_the_request(size: int) -> None:
    app = Waits()
    async with asked(app, POST + b"content-length: %d\r\n\r\n" % size + b"x" * size) as writer:
        await until(lambda: app.begun == 1)
        writer.close()
        await until(lambda: app.cancelled == 1)


class Speaks(Waits):
    """Answers with a stream without end."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._send = send
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await until_gone(self._work(), scope)  # type: ignore[arg-type]

    async def _work(self) -> None:
        self.begun += 1
        try:
            while True:
                await self._send({"type": "http.response.body", "body": b"more", "more_body": True})
                await asyncio.sleep(0.001)
        finally:
            self.cancelled += 1


async def test_who_sent_another_request_ahead_ends_the_stream_that_is_read_no_more_and_begins_no_other() -> None:
    app = Speaks()
    async with asked(app, (POST + b"content-length: 2\r\n\r\n{}") * 2) as writer:
        await until(lambda: app.begun == 1)
        writer.transport.abort()
        await until(lambda: app.cancelled == 1)
    assert app.begun == 1


def there(presence: Presence) -> Any:
    return {PRESENCE: presence}


async def test_who_left_before_the_work_began_gets_no_work_done() -> None:
    presence, app = Presence(), Waits()
    presence.leave()
    await until_gone(app._work(), there(presence))
    assert app.begun == app.cancelled


async def test_work_that_another_cancels_is_cancelled() -> None:
    app = Waits()
    working = asyncio.create_task(until_gone(app._work(), there(Presence())))
    await until(lambda: app.begun == 1)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working


async def test_work_that_breaks_tells_so_and_a_client_that_leaves_later_ends_nothing() -> None:
    presence = Presence()

    async def breaks() -> None:
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        await until_gone(breaks(), there(presence))
    presence.leave()
    await asyncio.sleep(0)
