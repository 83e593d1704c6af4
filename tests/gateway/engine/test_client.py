"""What a request meets when its connection to the engine breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from postil.gateway.engine.client import EngineClient
from postil.gateway.errors import EngineUnavailableError

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
WHOLE = HEAD + b"content-length: 2\r\n\r\n{}"


class Breaking:
    """A server that answers each connection with the next of ``replies`` and hangs up."""

    def __init__(self, *replies: bytes) -> None:
        self.replies = list(replies)
        self.asked = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one reply, which may be nothing at all."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-l"))
        await reader.readexactly(length)
        self.asked += 1
        writer.write(self.replies.pop(0))
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def talking_to(server: Breaking, folder: Path) -> AsyncIterator[EngineClient]:
    """A client of such a server."""
    path = folder / "engine.sock"
    async with await asyncio.start_unix_server(server.connected, path):
        client = EngineClient(f"unix:{path}", timeout_seconds=10)
        try:
            yield client
        finally:
            await client.close()


async def test_a_connection_that_breaks_before_any_answer_is_tried_once_more(tmp_path: Path) -> None:
    server = Breaking(b"", WHOLE)
    async with talking_to(server, tmp_path) as client:
        assert await client.post("/v1/chat/completions", {}) == b"{}"
    assert server.asked == 2


async def test_one_that_breaks_again_is_an_engine_that_does_not_answer(tmp_path: Path) -> None:
    server = Breaking(b"", b"", WHOLE)
    async with talking_to(server, tmp_path) as client:
        with pytest.raises(EngineUnavailableError, match="not answering"):
            await client.post("/v1/chat/completions", {})
    assert server.asked == 2


async def test_an_answer_that_breaks_off_is_not_asked_for_again(tmp_path: Path) -> None:
    server = Breaking(HEAD + b"content-length: 20\r\n\r\n{", WHOLE)
    async with talking_to(server, tmp_path) as client:
        with pytest.raises(EngineUnavailableError):
            await client.post("/v1/chat/completions", {})
    assert server.asked == 1
