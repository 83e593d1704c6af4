"""A server that speaks TLS with a certificate of one's own, and answers every request alike."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def answering_tls(certificate: tuple[Path, Path], body: bytes = b"{}") -> AsyncIterator[int]:
    """Answer 200 with a JSON body, on a free port; yields the port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        size = next(
            (int(line.partition(b":")[2]) for line in asked.lower().splitlines() if line.startswith(b"content-length")),
            0,
        )
        await reader.readexactly(size)
        writer.write(head % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "0.0.0.0", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]
