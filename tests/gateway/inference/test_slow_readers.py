"""Clients that read their streams slowly: they hold no slot of the engine, and are not cut while they read."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import FREE_TEXT, House, running_house, until

At = tuple[FakeVLLM, str]
# More than the kernel's buffers take on both sides of a connection, and less than the gateway keeps beside them.
EVENTS, SIZE = 110, 1 << 16


def long_answer(body: dict[str, Any]) -> Iterator[bytes]:
    """Some 7 MiB of events, as fast as they are taken."""
    for _ in range(EVENTS if body["stream"] else 0):
        choice = {"index": 0, "delta": {"content": "x" * SIZE}, "finish_reason": None}
        yield b"data: " + json.dumps({"id": "1", "model": body["model"], "choices": [choice]}).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


async def slow_client(house: House, key: str) -> socket.socket:
    """Ask for a stream and read nothing of it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    loop, at = asyncio.get_running_loop(), urlsplit(house.url)
    await loop.sock_connect(sock, (at.hostname, at.port))
    body = json.dumps({"messages": [{"role": "user", "content": "long"}], "stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\nconnection: close\r\n"
    await loop.sock_sendall(sock, f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    return sock


async def test_a_stream_that_nobody_reads_holds_no_slot_once_the_engine_has_written_it(
    tmp_path: Path, engine_at: At
) -> None:
    async with running_house(tmp_path, *engine_at, max_concurrent_requests=1) as house:
        await house.publish("healthcare/triage", FREE_TEXT)
        key = await house.tenant("clinic", "healthcare")
        house.engine.raw = long_answer
        sock = await slow_client(house, key)
        queue = house.runtime.scheduler.queue
        await until(lambda: len(house.engine.requests) == 1)
        await until(lambda: queue.running == 0)
        assert (await house.ask(key)).status_code == 200, "the only slot is free for somebody else"
        # The slow one misses nothing.
        received = bytearray()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(60):
            while chunk := await loop.sock_recv(sock, 1 << 20):
                received += chunk
        sock.close()
        assert received.count(b'"finish_reason"') == EVENTS
        assert b"data: [DONE]" in received
        assert house.runtime.engine.client.activity.silent_seconds == 0


async def test_a_slow_reader_who_leaves_gives_its_slot_back_once(tmp_path: Path, engine_at: At) -> None:
    async with running_house(tmp_path, *engine_at, max_concurrent_requests=2) as house:
        await house.publish("healthcare/triage", FREE_TEXT)
        key = await house.tenant("clinic", "healthcare")
        house.engine.raw = long_answer
        for _ in range(3):
            sock = await slow_client(house, key)
            await until(lambda: house.runtime.scheduler.queue.running == 0 and house.runtime.traffic.in_flight == 1)
            sock.close()
            await until(lambda: house.runtime.traffic.in_flight == 0)
        assert (await house.ask(key)).status_code == 200
        assert house.runtime.scheduler.queue.running == 0
