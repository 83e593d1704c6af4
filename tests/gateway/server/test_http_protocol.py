"""Strangers at the socket: too much, too slow, too many, or not HTTP at all."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from postil.gateway.server.http_protocol import bounded
from postil.gateway.settings import HttpLimits
from tests.fakes.http import Receive, Scope, Send, respond, serving
from tests.gateway.conftest import until

QUICK = HttpLimits(head_seconds=0.3, stall_seconds=0.3, linger_seconds=0.3)
LARGE = 24 << 20
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"


class App:
    """Answers with the size of what it got; under ``/early`` before it has got it, under ``/much`` with a lot."""

    def __init__(self) -> None:
        self.gone = 0
        self.done = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/early":
            await respond(send, 413, b"{}")
            return
        if scope["path"] == "/large":
            await respond(send, 200, b"x" * LARGE)
            return
        if scope["path"] == "/much":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(4096):
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            self.done += 1
            return
        size = 0
        while (message := await receive())["type"] == "http.request":
            size += len(message["body"])
            if not message["more_body"]:
                await respond(send, 200, json.dumps({"got": size}).encode())
                return
        self.gone += 1


@asynccontextmanager
async def at(app: Any, limits: HttpLimits = QUICK) -> AsyncIterator[int]:
    """The port of an application behind the door."""
    async with serving(app, http=bounded(limits)) as url:
        yield int(url.rsplit(":", 1)[1])


async def sent(port: int, *pieces: bytes, pause: float = 0.0, eof: bool = False) -> bytes:
    """What comes back until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause)
        if eof:
            writer.write_eof()
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def told(answer: bytes) -> tuple[int, dict[str, str], Any]:
    """The status, the headers and the body of a whole answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, json.loads(body)


@pytest.mark.parametrize(
    "head",
    [
        POST + b"x: " + b"a" * 70_000 + b"\r\n\r\n",
        POST + b"".join(b"x%d: a\r\n" % number for number in range(101)) + b"\r\n",
        POST + b"a:b\r\n" * 20_000,
        b"POST /v1/" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        POST + b"x: " + b"a" * 70_000,
        b"POST /v1/" + b"a" * 70_000,
        POST + b"x: " + b"a" * 70_000 + b"\r\ncontent-length: 70000\r\n\r\n" + b"b" * 70_000,
    ],
    ids=["long", "many", "many, unfinished", "long address", "long, unfinished", "address, unfinished", "and a body"],
)
async def test_a_head_that_is_too_large_is_refused(head: bytes) -> None:
    async with at(App()) as port:
        status, headers, body = told(await sent(port, head))
    assert (status, headers["connection"]) == (431, "close")
    assert body["error"]["type"] == "invalid_request_error"
    assert "64 KiB or 100 headers" in body["error"]["message"]


async def test_a_whole_head_that_is_too_large_and_arrives_at_once_is_refused_once() -> None:
    async with at(App(), replace(QUICK, head_bytes=200)) as port:
        said = await sent(port, POST + b"x: " + b"a" * 300 + b"\r\n\r\n")
    assert (told(said)[0], said.count(b"HTTP/1.1 431")) == (431, 1)


async def test_a_large_body_beside_a_small_head_is_none_of_it() -> None:
    head = POST + b"content-length: 200000\r\nconnection: close\r\n\r\n"
    async with at(App()) as port:
        assert told(await sent(port, head + b"b" * 200_000))[2] == {"got": 200_000}


async def test_many_requests_on_one_connection_count_one_by_one() -> None:
    request = POST + b"x: " + b"a" * 30_000 + b"\r\ncontent-length: 2\r\n\r\n{}"
    last = POST + b"connection: close\r\ncontent-length: 2\r\n\r\n{}"
    async with at(App(), HttpLimits()) as port:
        answer = await sent(port, request * 5, last)
    assert answer.count(b"HTTP/1.1 200") == 6


async def test_a_head_that_trickles_is_cut_off() -> None:
    async with at(App()) as port:
        status, _, body = told(await sent(port, POST, b"x"))
    assert (status, body["error"]["type"]) == (408, "invalid_request_error")


@pytest.mark.parametrize("pieces", [[], [b"\r\n"], [b"\r\n"] * 5], ids=["nothing", "an empty line", "more of them"])
async def test_a_connection_on_which_nothing_comes_is_closed(pieces: list[bytes]) -> None:
    async with at(App()) as port:
        assert await sent(port, *pieces, pause=0.05) == b""


@pytest.mark.parametrize("framing", [b"content-length: 100000", b"transfer-encoding: chunked"])
async def test_a_body_that_does_not_come_is_cut_off(framing: bytes) -> None:
    app = App()
    async with at(app) as port:
        status, _, body = told(await sent(port, POST + framing + b"\r\n\r\n"))
    assert (status, app.gone) == (408, 1)
    assert "too slowly" in body["error"]["message"]


async def test_a_body_that_trickles_is_cut_off_and_one_that_moves_is_not() -> None:
    limits = replace(QUICK, stall_bytes=1000, stall_seconds=2, linger_seconds=20)
    head = POST + b"content-length: 6000\r\nconnection: close\r\n\r\n"
    async with at(App(), limits) as port:
        slow, quick = await asyncio.gather(
            sent(port, head, *[b"a"] * 12, pause=0.05), sent(port, head, *[b"a" * 500] * 12, pause=0.01)
        )
    assert told(slow)[0] == 408
    assert told(quick)[2] == {"got": 6000}


async def test_who_is_refused_before_the_body_has_ended_hears_why_and_does_not_send_for_ever() -> None:
    head = b"POST /early HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    async with at(App()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        assert b"413" in await reader.readuntil(b"{}")
        with pytest.raises(ConnectionError):
            await endless(writer)
        writer.close()


async def endless(writer: asyncio.StreamWriter) -> None:
    """Send chunks for four seconds."""
    for _ in range(200):
        writer.write(b"1000\r\n" + b"a" * 4096 + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def test_a_client_that_closes_its_half_in_the_middle_is_let_go() -> None:
    app = App()
    async with at(app, HttpLimits()) as port:
        await sent(port, POST + b"content-length: 10\r\n\r\n123", eof=True)
        await until(lambda: app.gone == 1)


async def test_an_answer_that_nobody_takes_is_given_up() -> None:
    app = App()
    async with at(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /much HTTP/1.1\r\nhost: a\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        # What is sent on a connection that was given up goes nowhere, and ends.
        await until(lambda: app.done == 1)
        writer.close()


async def test_an_answer_that_is_taken_slowly_and_steadily_is_given_to_its_end() -> None:
    async with at(App()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        writer.write(b"GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        size, began = 0, asyncio.get_running_loop().time()
        while chunk := await reader.read(1 << 20):
            size += len(chunk)
            await asyncio.sleep(0.04)
        assert size == LARGE
        assert asyncio.get_running_loop().time() - began > 2 * QUICK.stall_seconds
        writer.close()


async def test_the_body_of_a_request_that_was_sent_ahead_has_its_own_time() -> None:
    first = POST + b"content-length: 2\r\n\r\n{}"
    second = POST + b"connection: close\r\ncontent-length: 200000\r\n\r\n"
    limits = replace(QUICK, linger_seconds=0.2, stall_seconds=5, stall_bytes=1)
    async with at(App(), limits) as port:
        answer = await sent(port, first + second, *[b"x" * 20_000] * 10, pause=0.06)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert b'{"got": 200000}' in answer


async def test_one_connection_too_many_is_told_so_and_the_others_stay() -> None:
    async with at(App(), replace(QUICK, connections=2, head_seconds=10)) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for _, writer in held:
            writer.write(b"POST")
        status, headers, body = told(await sent(port))
        assert (status, body["error"]["code"]) == (503, "too_many_connections")
        assert int(headers["retry-after"]) > 0
        held[0][1].write(POST[4:] + b"connection: close\r\ncontent-length: 0\r\n\r\n")
        assert told(await held[0][0].read())[0] == 200
        for _, writer in held:
            writer.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50,
        b"hello\r\n\r\n",
        b"GET /v1/models HTTP/9.9\r\n\r\n",
        POST + b"content-length: -1\r\n\r\n",
        POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
        POST + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
        POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        POST + b"content-length : 3\r\n\r\nabc",
        POST + b" folded: a\r\n\r\n",
        POST + b"x: a\0b\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: a\r\nnot a header\r\n\r\n",
    ],
)
async def test_what_is_not_http_or_could_be_read_in_two_ways_is_refused(raw: bytes) -> None:
    async with at(App()) as port:
        status, _, body = told(await sent(port, raw))
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")


async def test_under_api_it_is_refused_as_problem_details() -> None:
    async with at(App()) as port:
        head = b"POST /api/v1/tenants HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n"
        status, headers, body = told(await sent(port, head))
    assert (status, headers["content-type"]) == (408, "application/problem+json")
    assert (body["status"], body["title"]) == (408, "invalid request error")


@pytest.mark.parametrize("head", [b"CONNECT a:1 HTTP/1.1\r\n\r\n", b"GET http://[/ HTTP/1.1\r\n\r\n"])
async def test_an_address_that_is_none_is_refused(head: bytes) -> None:
    async with at(App()) as port:
        status, _, body = told(await sent(port, head))
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")


async def test_an_answer_of_which_a_little_is_always_taken_is_not_cut() -> None:
    app = App()
    async with at(app, replace(QUICK, stall_seconds=0.5)) as port:
        sock, loop = socket.socket(), asyncio.get_running_loop()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.sock_sendall(sock, b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n")
        size, began = 0, loop.time()
        while loop.time() - began < 2.5:
            chunk = await loop.sock_recv(sock, 2048)
            assert chunk, "it was cut"
            size += len(chunk)
            await asyncio.sleep(0.05)
        assert size / 5 < QUICK.stall_bytes, "so little in each period that it would have been cut by an amount"
        sock.close()
