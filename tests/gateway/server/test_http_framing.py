"""Heads and bodies that two servers could read in two ways, over a raw socket."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from postil.gateway.server.http_framing import is_local
from postil.gateway.settings import HttpLimits
from tests.gateway.server.test_http_protocol import POST, QUICK, App, at, sent, told

GET = b"GET /v1/models HTTP/1.1\r\n"
OLD = b"POST /v1/chat/completions HTTP/1.0\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n"


async def refused(raw: bytes) -> tuple[int, str, bytes]:
    """The status, the sentence and how the connection goes on."""
    async with at(App(), HttpLimits()) as port:
        status, headers, body = told(await sent(port, raw))
    return status, body["error"]["message"] if "error" in body else body["detail"], headers["connection"].encode()


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (GET + b"\r\n", "Host is missing"),
        (GET + b"host: a\r\nhost: a\r\n\r\n", "host is sent twice"),
        (GET + b"Host: a\r\nhOST: b\r\n\r\n", "host is sent twice"),
        (GET + b"host: a, b\r\n\r\n", "Host is no host"),
        (GET + b"host: a/b\r\n\r\n", "Host is no host"),
        (GET + b"host: x@a\r\n\r\n", "Host is no host"),
        (GET + b"host: a:80:80\r\n\r\n", "Host is no host"),
        (b"GET /v1/models HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n", "host is sent twice"),
        (b"GET http://b/v1/models HTTP/1.1\r\nhost: a\r\n\r\n", "another host"),
        (b"GET http://a:81/v1/models HTTP/1.1\r\nhost: a\r\n\r\n", "another host"),
        (b"GET ftp://a/v1/models HTTP/1.1\r\nhost: a\r\n\r\n", "another host"),
        (b"GET http://x@a/v1/models HTTP/1.1\r\nhost: a\r\n\r\n", "another host"),
        (b"CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n", "another host"),
        (OLD + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.0 has no Transfer-Encoding"),
        (POST + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "only Transfer-Encoding is chunked"),
        (POST + b"content-length: 003\r\n\r\nabc", "no plain number"),
        (POST + b"authorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n", "authorization is sent twice"),
        (b"GET /v1/models HTTP/2.0\r\nhost: a\r\n\r\n", "only HTTP/1.1 and HTTP/1.0"),
        (b"GET /v1/models HTTP/0.9\r\n\r\n", "only HTTP/1.1 and HTTP/1.0"),
        (b"GET /v1/models\r\n\r\n", "only HTTP/1.1 and HTTP/1.0"),
    ],
)
async def test_a_head_that_names_no_host_or_two_or_frames_its_body_in_an_old_way_is_refused(
    raw: bytes, sentence: str
) -> None:
    status, message, connection = await refused(raw)
    assert (status, connection) == (400, b"close")
    assert sentence in message


REFUSED = [
    GET + b"host: a\r\nx: one\r\n two\r\n\r\n",
    GET + b"host: a\nx: y\r\n\r\n",
    GET + b"host: a\r\nx: one\rtwo\r\n\r\n",
    b"GET /v1/models HTTP/1.1\nhost: a\n\n",
    GET + b"host: a\r\nx\t: a\r\n\r\n",
    GET + b"host: a\r\nx : a\r\n\r\n",
    GET + b"host: a\r\nx: \0\r\n\r\n",
    GET + b"host: a\r\nx: \x01\r\n\r\n",
    GET + b"host: a\r\n\x80: a\r\n\r\n",
    GET + b"host: a\r\n: a\r\n\r\n",
    b"GET /v1/\x80 HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET\t/v1/models HTTP/1.1\r\nhost: a\r\n\r\n",
    POST + b"content-length: +3\r\n\r\nabc",
    POST + b"content-length: 0x3\r\n\r\nabc",
    POST + b"content-length: 3, 3\r\n\r\nabc",
    POST + b"content-length: 3\r\ncontent-length: 3\r\n\r\nabc",
    POST + b"content-length:\r\n\r\n",
    POST + b"content-length: 99999999999999999999\r\n\r\nabc",
    POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + b"transfer-encoding: identity\r\n\r\n",
    POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    POST + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    CHUNKED + b"\r\n1\nx\r\n0\r\n\r\n",
    CHUNKED + b"\r\n1;a\nb\r\nx\r\n0\r\n\r\n",
    CHUNKED + b"\r\n 1\r\nx\r\n0\r\n\r\n",
    CHUNKED + b"\r\n+1\r\nx\r\n0\r\n\r\n",
    CHUNKED + b"\r\n0x1\r\nx\r\n0\r\n\r\n",
    CHUNKED + b"\r\n1\r\nxx\r\n0\r\n\r\n",
    CHUNKED + b"\r\n10000000000000000\r\nx\r\n0\r\n\r\n",
]


async def test_what_the_parser_alone_refuses_stays_refused() -> None:
    async with at(App(), HttpLimits()) as port:
        answers = await asyncio.gather(*(sent(port, raw) for raw in REFUSED))
    assert [raw for raw, answer in zip(REFUSED, answers, strict=True) if told(answer)[0] != 400] == []
    assert all(told(answer)[1]["connection"] == "close" for answer in answers)


@pytest.mark.parametrize(
    "raw",
    [
        GET + b"host: a.example:8080\r\nconnection: close\r\n\r\n",
        GET + b"host: [::1]:8080\r\nconnection: close\r\n\r\n",
        GET + b"host: \r\nconnection: close\r\n\r\n",
        b"GET http://a/v1/models HTTP/1.1\r\nhost: A:80\r\nconnection: close\r\n\r\n",
        b"GET http://[::1]:81/v1/models HTTP/1.1\r\nhost: [::1]:81\r\nconnection: close\r\n\r\n",
        b"GET http://a/v1/models HTTP/1.0\r\n\r\n",
        b"GET /v1/models HTTP/1.0\r\n\r\n",
        POST + b"Transfer-Encoding: Chunked\r\nconnection: close\r\n\r\n2;a=b\r\n{}\r\n0\r\nx: y\r\n\r\n",
    ],
)
async def test_what_a_good_client_sends_is_answered(raw: bytes) -> None:
    async with at(App(), HttpLimits()) as port:
        assert told(await sent(port, raw))[0] == 200


async def test_a_second_request_behind_a_refused_head_is_not_answered() -> None:
    smuggled = b"GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n"
    async with at(App(), HttpLimits()) as port:
        answer = await sent(port, OLD + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled)
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("last", "sentence"),
    [
        (GET + b"host: a\r\nhost: a\r\n\r\n", "host is sent twice"),
        (GET + b"host: a/b\r\n\r\n", "Host is no host"),
        (GET + b"\r\n", "Host is missing"),
        (GET.replace(b"/v1", b"http://b/v1") + b"host: a\r\n\r\n", "another host"),
        (POST + b"content-length: 02\r\n\r\n{}", "no plain number"),
    ],
)
async def test_a_head_is_refused_behind_good_ones_on_its_connection_too(last: bytes, sentence: str) -> None:
    good = GET + b"host: a\r\n\r\n", POST + b"content-length: 2\r\n\r\n{}"
    async with at(App(), HttpLimits()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answers = []
        for raw in (good[0], *good, *good[::-1], last):
            writer.write(raw)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            answers.append(told(head + await reader.readexactly(length)))
        writer.close()
        await writer.wait_closed()
    assert [status for status, *_ in answers] == [200] * 5 + [400]
    assert sentence in str(answers[-1][2])


class Headers(App):
    """Keeps the headers that a request has once its body was read."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[bytes, bytes]] = []

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        await super().__call__(scope, receive, send)
        self.seen = [*scope["headers"]]


async def test_a_field_behind_the_body_becomes_no_header() -> None:
    app = Headers()
    async with at(app, HttpLimits()) as port:
        tail = b"\r\n2\r\n{}\r\n0\r\nauthorization: Bearer x\r\nx-postil-client: 1.2.3.4\r\n\r\n"
        answer = await sent(port, CHUNKED + b"connection: close\r\n" + tail)
    assert told(answer)[0] == 200
    assert [name for name, _ in app.seen] == [b"host", b"transfer-encoding", b"connection"]


@pytest.mark.parametrize(
    "piece",
    [
        b"1;" + b"a" * 20_000,
        b"1;" + b"a" * 20_000 + b"\r\nx\r\n",
        b"0\r\n" + b"x: y\r\n" * 200,
        b"0\r\nx: " + b"y" * 9000,
    ],
    ids=["one long extension", "extensions", "many fields behind it", "a long field behind it"],
)
async def test_a_chunked_body_that_is_little_but_framing_is_refused(piece: bytes) -> None:
    first, more = (piece[:3], piece[3:]) if piece.startswith(b"0") else (b"", piece)
    async with at(App(), replace(QUICK, stall_seconds=20.0, linger_seconds=20.0)) as port:
        pieces = [first, more, *[(more if b"\n" in more else b"a" * 20_000)] * 30]
        status, _, body = told(await sent(port, CHUNKED + b"\r\n", *pieces, pause=0.005))
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    assert "more framing than content" in body["error"]["message"]


async def test_a_body_in_chunks_of_one_byte_is_taken() -> None:
    async with at(App(), HttpLimits()) as port:
        chunks = b"1\r\nx\r\n" * 40_000 + b"0\r\n\r\n"
        head = CHUNKED + b"connection: close\r\n\r\n"
        assert told(await sent(port, head, chunks))[2] == {"got": 40_000}


LOCAL = replace(QUICK, local_only=True)


@pytest.mark.parametrize(
    "head",
    [
        b"host: evil.example\r\n",
        b"host: evil.example:8080\r\n",
        b"host: 192.168.1.5:8080\r\n",
        b"host: localhost.evil.example\r\n",
        b"host: 127.0.0.1.nip.io\r\n",
        b"host: [::2]\r\n",
        b"host: \r\n",
        b"host: localhost\r\nX-Forwarded-For: 1.2.3.4\r\n",
        b"host: localhost\r\nX-Forwarded-Host: demo\r\n",
        b"host: localhost\r\nForwarded: for=1.2.3.4\r\n",
        b"host: localhost\r\nVia: 1.1 proxy\r\n",
        b"host: localhost\r\nX-Real-IP: 1.2.3.4\r\n",
    ],
)
async def test_the_demo_is_not_reachable_through_a_proxy_or_by_a_name_that_points_here(head: bytes) -> None:
    async with at(App(), LOCAL) as port:
        status, _, body = told(await sent(port, GET + head + b"\r\n"))
    assert (status, body["error"]["code"]) == (403, "demo_local_only")
    assert "well known" in body["error"]["message"]


async def test_the_demo_takes_no_request_of_a_proxy_that_hides_itself_in_http_1_0() -> None:
    async with at(App(), LOCAL) as port:
        raw = b"GET /v1/models HTTP/1.0\r\nhost: 127.0.0.1:8080\r\n\r\n"
        assert told(await sent(port, raw))[0] == 403


@pytest.mark.parametrize("host", [b"localhost", b"LOCALHOST:8080", b"127.0.0.1:8080", b"[::1]:8080", b"127.0.0.2"])
async def test_the_demo_answers_this_machine(host: bytes) -> None:
    async with at(App(), LOCAL) as port:
        raw = GET + b"host: " + host + b"\r\nconnection: close\r\n\r\n"
        assert told(await sent(port, raw))[0] == 200
    assert is_local(host)
