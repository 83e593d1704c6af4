"""Connections that have shown no TLS yet: counted by address like all others, on both event loops."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from postil.gateway.settings import Settings
from tests.gateway.conftest import until
from tests.gateway.server.test_tls import listening, settings_of
from tests.support.certificates import Authority

Run = Callable[[Awaitable[None]], None]
GET = b"GET %b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Any:
    return request.param


def settings_and_authority(home: Path, **more: Any) -> tuple[Settings, Authority]:
    authority = Authority(home)
    return settings_of(home, authority.issue("gateway"), head_timeout_seconds=20, **more), authority


async def asked(port: int, authority: Authority, path: bytes = b"/x", address: str = "127.0.0.1") -> int:
    """The status of a request over TLS, from an address of this machine's."""
    context = ssl.create_default_context(cafile=authority.file)
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost", local_addr=(address, 0)
        )
        writer.write(GET % path)
        answer = await reader.read()
        writer.close()
    return int(answer.split()[1])


async def silent(port: int, number: int, open_connections: AsyncExitStack) -> None:
    for _ in range(number):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        open_connections.callback(writer.close)


def test_silent_connections_of_one_address_shut_nobody_else_out(run: Run, tmp_path: Path) -> None:
    settings, authority = settings_and_authority(tmp_path)

    async def attack() -> None:
        async with listening(settings) as port, AsyncExitStack() as open_connections:
            await silent(port, 600, open_connections)
            assert await asked(port, authority, address="127.0.0.2") == 200

    run(attack())


def test_where_silence_has_taken_all_places_health_is_answered_over_tls(run: Run, tmp_path: Path) -> None:
    settings, authority = settings_and_authority(tmp_path, connection_limit=16)

    async def attack() -> None:
        async with listening(settings) as port, AsyncExitStack() as open_connections:
            await silent(port, 40, open_connections)
            for _ in range(3):
                assert await asked(port, authority, b"/health/live") == 200
                assert await asked(port, authority) == 503

    run(attack())


def test_whoever_leaves_in_the_middle_of_a_handshake_leaves_its_place(run: Run, tmp_path: Path) -> None:
    settings, authority = settings_and_authority(tmp_path, connections_per_address=2, connection_limit=16)

    async def leave() -> None:
        async with listening(settings) as port:
            for sent in (b"", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\r\n") * 4:
                await _left(port, sent)
            async with asyncio.timeout(20):
                while await asked(port, authority) != 200:
                    pass

    run(leave())


async def _left(port: int, sent: bytes) -> None:
    """Connect, send, and go: half of the time without a farewell."""
    with suppress(ConnectionError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        if not sent:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()
        await writer.wait_closed()


def test_who_says_nothing_is_closed_after_the_time_for_a_head(run: Run, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, Authority(tmp_path).issue("gateway"), head_timeout_seconds=0.2)

    async def wait() -> None:
        async with listening(settings) as port, asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()

    run(wait())


def test_a_request_that_comes_with_the_end_of_the_handshake_is_answered(run: Run, tmp_path: Path) -> None:
    settings, authority = settings_and_authority(tmp_path)

    async def at_once() -> None:
        async with listening(settings) as port, asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
            context = ssl.create_default_context(cafile=authority.file)
            tls = context.wrap_bio(inside, outside, server_hostname="localhost")
            while not _is_done(tls):
                writer.write(outside.read())
                inside.write(await reader.read(1 << 16))
            tls.write(GET % b"/x")
            writer.write(outside.read())  # The last of the handshake and the request, in one.
            assert (await _opened(reader, inside, tls)).startswith(b"HTTP/1.1 200")
            writer.close()

    run(at_once())


def _is_done(tls: ssl.SSLObject) -> bool:
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


async def _opened(reader: asyncio.StreamReader, inside: ssl.MemoryBIO, tls: ssl.SSLObject) -> bytes:
    while True:
        inside.write(await reader.read(1 << 16))
        with suppress(ssl.SSLWantReadError):
            return tls.read()


def test_the_port_closes_though_handshakes_are_pending(run: Run, tmp_path: Path) -> None:
    settings, _ = settings_and_authority(tmp_path)

    async def close() -> None:
        async with AsyncExitStack() as open_connections, asyncio.timeout(10), listening(settings) as port:
            await silent(port, 3, open_connections)

    run(close())


def test_where_no_file_is_left_connections_are_accepted_a_moment_later(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings, authority = settings_and_authority(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def exhaust() -> None:
        async with listening(settings) as port, asyncio.timeout(10):
            with socket.create_connection(("127.0.0.1", port)):
                resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
                try:
                    await until(lambda: "raise the limit of open files" in caplog.text)
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                assert await asked(port, authority) == 200

    run(exhaust())
