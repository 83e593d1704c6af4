"""What each answer says of itself, and what clients of other protocols and of old ones get."""

from __future__ import annotations

import asyncio
import json
import re
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from postil.gateway.server.http_exchange import CommonLines
from postil.gateway.settings import HttpLimits
from postil.gateway.telemetry.request_id import RequestIds, current
from tests.fakes.http import Receive, Scope, Send, respond
from tests.gateway.conftest import until
from tests.gateway.server.test_http_protocol import POST, App, at, sent, told

LAST = b"connection: close\r\n"
H2C = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"


async def answer_of(raw: bytes, app: Any = None, limits: HttpLimits | None = None) -> tuple[bytes, bytes]:
    """The head and the body of what comes back."""
    async with at(app or App(), limits or HttpLimits()) as port:
        head, _, body = (await sent(port, raw)).partition(b"\r\n\r\n")
    return head, body


class Streams:
    """Answers with two pieces and no length, and notes what it saw."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append((scope["method"], current()))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"one ", b"two"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def test_every_answer_says_when_it_was_made_and_which_request_it_answers() -> None:
    good = POST + LAST + b"content-length: 2\r\n\r\n{}"
    for raw, status in ((good, 200), (b"hello\r\n\r\n", 400), (POST + b"x: " + b"a" * 70_000 + b"\r\n\r\n", 431)):
        async with at(App(), HttpLimits()) as port:
            found, headers, _ = told(await sent(port, raw))
        assert found == status
        assert parsedate_to_datetime(headers["date"]).tzinfo is not None
        assert re.fullmatch(r"req-[0-9a-f]{12}-[0-9a-f]+", headers["x-request-id"])


def test_the_date_goes_on_with_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000_000_000.5]
    monkeypatch.setattr("time.time", lambda: now[0])
    lines = CommonLines(75)
    first = lines.of(last=False)
    assert first == b"date: Sun, 09 Sep 2001 01:46:40 GMT\r\nkeep-alive: timeout=75\r\n"
    assert lines.of(last=True) == b"date: Sun, 09 Sep 2001 01:46:40 GMT\r\nconnection: close\r\n"
    now[0] += 0.6
    assert b"01:46:41" in lines.of(last=False)
    now[0] -= 3600  # Somebody set the clock.
    assert b"00:46:41" in lines.of(last=False)


async def test_an_id_that_a_client_sends_comes_back_and_is_the_application_s() -> None:
    for name in (b"abc-123", b"00-4bf92f:x.y_z/1+2=@", b"a" * 128):
        app = Streams()
        head, _ = await answer_of(POST + LAST + b"X-Request-ID: " + name + b"\r\n\r\n", app)
        assert b"\r\nx-request-id: " + name + b"\r\n" in head + b"\r\n"
        assert app.seen == [("POST", name.decode())]


@pytest.mark.parametrize("name", [b"a" * 129, b"a b", b'"', b"\xe4", b"<script>", b"", b"a\tb"])
async def test_an_id_that_is_not_safe_to_write_is_replaced(name: bytes) -> None:
    app = Streams()
    head, _ = await answer_of(POST + LAST + b"x-request-id: " + name + b"\r\n\r\n", app)
    made = app.seen[0][1]
    assert made.startswith("req-")
    assert f"x-request-id: {made}".encode() in head


async def test_requests_on_one_connection_have_ids_of_their_own() -> None:
    app = Streams()
    same = POST + b"content-length: 0\r\n\r\n"
    async with at(app, HttpLimits()) as port:
        await sent(port, same * 3, POST + b"x-request-id: mine\r\n" + LAST + b"content-length: 0\r\n\r\n")
    names = [name for _, name in app.seen]
    assert len({*names}) == 4
    assert names[-1] == "mine"


def test_ids_of_two_processes_differ() -> None:
    assert RequestIds().of(None) != RequestIds().of(None)


async def test_an_open_connection_says_how_long_it_stays_so_and_a_last_answer_does_not() -> None:
    async with at(App(), HttpLimits(idle_seconds=7)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST + b"content-length: 0\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"\r\nkeep-alive: timeout=7\r\n" in head
        assert b"connection: close" not in head
        writer.write(POST + LAST + b"content-length: 0\r\n\r\n")
        rest = await reader.read()
        writer.close()
    assert b"connection: close" in rest
    assert b"keep-alive" not in rest


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    async with at(App(), HttpLimits(idle_seconds=0)) as port:
        answer = await sent(port, POST + b"content-length: 0\r\n\r\n")
    assert b"HTTP/1.1 200" in answer


async def test_a_stream_to_an_old_client_is_a_body_until_the_connection_closes() -> None:
    head, body = await answer_of(b"POST /v1/chat/completions HTTP/1.0\r\nhost: a\r\n\r\n", Streams())
    assert body == b"one two"
    assert b"transfer-encoding" not in head
    assert b"content-length" not in head
    assert b"connection: close" in head


async def test_a_stream_to_others_is_chunked() -> None:
    head, body = await answer_of(POST + LAST + b"\r\n", Streams())
    assert b"transfer-encoding: chunked" in head
    assert body == b"4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "length", [b"content-length: 2\r\n\r\n{}", b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"]
)
@pytest.mark.parametrize("upgrade", [H2C, b"connection: upgrade\r\nupgrade: websocket\r\n"])
async def test_an_upgrade_is_ignored_and_the_body_is_read(length: bytes, upgrade: bytes) -> None:
    """Java's default client and ``curl --http2`` ask for one with each first request."""
    async with at(App(), HttpLimits()) as port:
        answer = await sent(port, POST + upgrade + length, POST + LAST + b"content-length: 3\r\n\r\nabc")
    assert answer.count(b"HTTP/1.1 200") == 2
    assert b'{"got": 2}' in answer
    assert b'{"got": 3}' in answer
    assert b"upgrade" not in answer.lower()


async def test_a_get_that_asks_for_another_protocol_is_answered_in_this_one() -> None:
    async with at(App(), HttpLimits()) as port:
        raw = b"GET /v1/models HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n"
        assert told(await sent(port, raw))[0] == 200


async def test_many_upgrades_in_one_read_are_all_answered() -> None:
    many = POST + H2C + b"content-length: 2\r\n\r\n{}"
    async with at(App(), HttpLimits()) as port:
        answer = await sent(port, many * 200 + POST + H2C.replace(b"Upgrade,", b"close, upgrade,") + b"\r\n")
    assert answer.count(b"HTTP/1.1 200") == 201


async def test_a_broken_request_with_an_upgrade_is_refused() -> None:
    async with at(App(), HttpLimits()) as port:
        raw = POST + H2C + b"transfer-encoding: chunked\r\n\r\nzz\r\n"
        assert told(await sent(port, raw))[0] == 400
        assert told(await sent(port, b"CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n"))[0] == 400


async def test_a_head_is_answered_as_a_get_without_its_body() -> None:
    app = Streams()
    head, body = await answer_of(b"HEAD /v1/models HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", app)
    assert app.seen[0][0] == "GET"
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b""
    head, body = await answer_of(b"HEAD /early HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert b"content-length: 2" in head
    assert body == b""


@pytest.mark.parametrize(("version", "interim"), [(b"1.1", 1), (b"1.0", 0)])
async def test_who_waits_to_be_told_to_go_on_is_told_so(version: bytes, interim: int) -> None:
    async with at(App(), HttpLimits()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = (
            b"POST /v1/x HTTP/%b\r\nhost: a\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
        )
        writer.write(head % version)
        if interim:
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert told(await reader.read())[2] == {"got": 2}
        writer.close()


async def test_who_is_refused_before_the_body_is_not_told_to_send_it() -> None:
    async with at(App(), HttpLimits(linger_seconds=0.1)) as port:
        raw = b"POST /early HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
        assert (await sent(port, raw)).startswith(b"HTTP/1.1 413")


class Breaks:
    """Breaks the rules of answers in the way that the path names."""

    def __init__(self) -> None:
        self.raised: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await getattr(self, scope["path"].strip("/"))(send)
        except RuntimeError as error:
            self.raised.append(str(error))
            raise

    async def no_start(self, send: Send) -> None:
        await send({"type": "http.response.body", "body": b""})

    async def two_lines(self, send: Send) -> None:
        headers = [(b"x", b"a\r\nset-cookie: b"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def too_long(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        await send({"type": "http.response.body", "body": b"ab"})

    async def too_short(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"a"})

    async def started_twice(self, send: Send) -> None:
        for _ in range(2):
            await send({"type": "http.response.start", "status": 200, "headers": []})

    async def goes_on(self, send: Send) -> None:
        await respond(send, 200, b"{}")
        await send({"type": "http.response.body", "body": b"more"})


@pytest.mark.parametrize(
    ("how", "sentence", "answer"),
    [
        ("no_start", "cannot begin", b"HTTP/1.1 500"),
        ("two_lines", "more than one line", b"HTTP/1.1 500"),
        ("too_long", "longer", b"HTTP/1.1 500"),
        ("too_short", "shorter", b"HTTP/1.1 500"),
        ("started_twice", "cannot go on", b"HTTP/1.1 200"),
        ("goes_on", "complete", b"HTTP/1.1 200"),
    ],
)
async def test_an_application_that_breaks_the_rules_breaks_no_framing(how: str, sentence: str, answer: bytes) -> None:
    app = Breaks()
    head, _ = await answer_of(f"GET /{how} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode(), app)
    assert head.startswith(answer)
    assert b"set-cookie" not in head
    assert sentence in app.raised[0]


async def test_a_status_without_a_body_has_no_framing() -> None:
    async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    head, body = await answer_of(POST + LAST + b"\r\n", nothing)
    assert b"transfer-encoding" not in head
    assert body == b""


async def test_nothing_is_sent_to_a_client_that_is_gone() -> None:
    done = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        await respond(send, 200, json.dumps({}).encode())
        done.set()

    async with at(slow, HttpLimits()) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST + b"content-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()
        await until(done.is_set)
