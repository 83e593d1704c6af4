"""What a request meets when its connection to the engine breaks, or the engine says something odd."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from postil.gateway.engine.client import EngineClient, Health
from postil.gateway.errors import EngineKeyRefusedError, EngineRefusedError, EngineUnavailableError

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
WHOLE = HEAD + b"content-length: 2\r\nconnection: close\r\n\r\n{}"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
KEPT = HEAD + b"content-length: 2\r\n\r\n{}"


class Breaking:
    """A server that answers each connection with the next of ``replies`` and hangs up.

    With ``keeps`` it waits for one more request on it, and hangs up on that once ``gone`` is set. If ``silent``, it
    answers nothing, and holds on to the connection.
    """

    def __init__(self, *replies: bytes) -> None:
        self.replies = list(replies)
        self.asked = 0
        self.heads: list[bytes] = []
        self.keeps = False
        self.silent = False
        self.gone = asyncio.Event()
        self.handlers: list[asyncio.Task[None]] = []

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one reply, which may be nothing at all."""
        handler = asyncio.current_task()
        assert handler is not None
        self.handlers.append(handler)
        await self._heard(reader)
        if self.silent:
            await reader.read()
        else:
            writer.write(self.replies.pop(0))
            await writer.drain()
        if self.keeps and not self.gone.is_set():
            with suppress(asyncio.IncompleteReadError):
                await self._heard(reader)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _heard(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        length = next(int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-l"))
        await reader.readexactly(length)
        self.asked += 1


@asynccontextmanager
async def talking_to(
    server: Breaking, folder: Path, timeout_seconds: float = 10, **options: Any
) -> AsyncIterator[EngineClient]:
    """A client of such a server."""
    path = folder / "engine.sock"
    async with await asyncio.start_unix_server(server.connected, path):
        client = EngineClient(f"unix:{path}", timeout_seconds=timeout_seconds, **options)
        try:
            yield client
        finally:
            await client.close()
            await asyncio.gather(*server.handlers, return_exceptions=True)


async def asked_at_once(client: EngineClient) -> list[bytes]:
    """The answers to eight requests that are on their way together."""
    return await asyncio.gather(*[client.post("/v1/chat/completions", {}) for _ in range(8)])


@pytest.mark.parametrize("times", [1, 2])
async def test_a_connection_that_breaks_before_any_answer_is_tried_again(tmp_path: Path, times: int) -> None:
    server = Breaking(*[b""] * times, WHOLE)
    async with talking_to(server, tmp_path) as client:
        assert await client.post("/v1/chat/completions", {}) == b"{}"
    assert server.asked == times + 1


async def test_one_that_breaks_each_time_is_an_engine_that_does_not_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = Breaking(b"", b"", b"", WHOLE)
    async with talking_to(server, tmp_path) as client:
        with pytest.raises(EngineUnavailableError, match="not answering"):
            await client.post("/v1/chat/completions", {})
    assert server.asked == 3
    assert "the engine did not answer: BrokenError('it hung up')" in caplog.text


async def test_kept_connections_that_all_broke_at_once_fail_nobody(tmp_path: Path) -> None:
    server = Breaking(*[KEPT] * 8, *[WHOLE] * 8)
    server.keeps = True
    async with talking_to(server, tmp_path) as client:
        assert await asked_at_once(client) == [b"{}"] * 8
        server.gone.set()  # Every kept connection is dropped by whatever comes on it next.
        assert await asked_at_once(client) == [b"{}"] * 8


async def test_an_engine_that_is_silent_for_its_whole_time_is_not_asked_again(tmp_path: Path) -> None:
    server = Breaking(HEAD)
    server.silent = True
    async with talking_to(server, tmp_path, timeout_seconds=0.2) as client:
        with pytest.raises(EngineUnavailableError):
            await client.post("/v1/chat/completions", {})
    assert server.asked == 1


async def test_an_answer_that_breaks_off_is_not_asked_for_again(tmp_path: Path) -> None:
    server = Breaking(HEAD + b"content-length: 20\r\n\r\n{", WHOLE)
    async with talking_to(server, tmp_path) as client:
        with pytest.raises(EngineUnavailableError):
            await client.post("/v1/chat/completions", {})
    assert server.asked == 1


@pytest.mark.parametrize("last_word", [True, False])
async def test_an_engine_that_listens_no_more_is_known_to_be_gone_before_whoever_asked_is_told(
    tmp_path: Path, last_word: bool
) -> None:
    server, found = Breaking(FAILED), list[str]()
    async with talking_to(server, tmp_path) as client:
        client.on_unhealthy = lambda: found.append("gone")
        (tmp_path / "engine.sock").rename(tmp_path / "was.sock")
        if last_word:  # As vLLM does whose core has died: a 500 for those who wait, and then it closes its socket.
            (tmp_path / "engine.sock").symlink_to(tmp_path / "was.sock")
            asking = asyncio.create_task(client.post("/v1/chat/completions", {}))
            while not server.handlers:  # noqa: ASYNC110 - the connection sets no event
                await asyncio.sleep(0)
            (tmp_path / "engine.sock").unlink()
        else:
            asking = asyncio.create_task(client.post("/v1/chat/completions", {}))
        with pytest.raises(EngineUnavailableError):
            await asking
        assert found == ["gone"]


async def test_an_engine_that_hangs_up_but_listens_is_not_taken_for_gone(tmp_path: Path) -> None:
    server, found = Breaking(b"", b"", b""), list[str]()
    async with talking_to(server, tmp_path) as client:
        client.on_unhealthy = lambda: found.append("gone")
        with pytest.raises(EngineUnavailableError):
            await client.post("/v1/chat/completions", {})
    assert not found


def said(body: bytes, status: bytes = b"200 OK") -> bytes:
    """A whole answer, after which the server hangs up."""
    return b"HTTP/1.1 %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (status, len(body), body)


@pytest.mark.parametrize(
    "body",
    [b"<html>Log in</html>", b"", b"\xff", b"[]", b"{}", b'{"data":null}', b'{"data":[{}]}', b'{"data":["base"]}',
     b'{"data":[{"id":1}]}', b"[" * 100_000, b'{"data":[' + b" " * (9 << 20) + b"]}"],
    ids=["html", "nothing", "no utf-8", "a list", "no data", "null", "no id", "no objects", "no text", "deep", "huge"],
)  # fmt: skip
async def test_a_list_of_models_that_is_none_is_an_engine_that_does_not_answer_and_the_next_one_is_read(
    tmp_path: Path, body: bytes
) -> None:
    """It ended the gateway for good: whoever looks after the adapters died of it, once, and nobody began again."""
    server = Breaking(said(body), said(b'{"data":[{"id":"base"},{"id":"a","root":null}]}'))
    async with talking_to(server, tmp_path) as client:
        with pytest.raises(EngineUnavailableError):
            await client.loaded()
        assert await client.loaded() == {"base", "a"}


async def test_an_answer_without_an_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    server = Breaking(said(b"x" * 3_000_000))
    async with talking_to(server, tmp_path, most_bytes=2_000_000) as client:
        with pytest.raises(EngineUnavailableError):
            await client.post("/v1/chat/completions", {})


@pytest.mark.parametrize("body", [b"{<html>", b"Internal Server Error", b'"text"', b""])
async def test_an_error_that_is_no_json_object_is_told_as_one(tmp_path: Path, body: bytes) -> None:
    async with talking_to(Breaking(said(body, b"400 Bad Request")), tmp_path) as client:
        with pytest.raises(EngineRefusedError) as refused:
            await client.post("/v1/chat/completions", {})
    assert refused.value.body.startswith(b'{"error":{"message":"the engine failed on this request"')


async def test_the_engines_key_goes_with_every_request_and_stands_in_nothing_that_is_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = Breaking(said(b'{"data":[]}'), said(b""), said(b"{}"), b"", b"", b"")
    async with talking_to(server, tmp_path, api_key="s3cret") as client:
        await client.loaded()
        assert await client.healthy()
        await client.post("/v1/chat/completions", {})
        with pytest.raises(EngineUnavailableError) as told:
            await client.post("/v1/chat/completions", {})
        shown = f"{client!r} {client._http!r} {told.value!r} {told.value.__cause__!r} {caplog.text}"
    assert len(server.heads) == 6
    assert all(head.count(b"\r\nauthorization: Bearer s3cret\r\n") == 1 for head in server.heads)
    assert "s3cret" not in shown


async def test_without_a_key_none_is_sent(tmp_path: Path) -> None:
    server = Breaking(WHOLE)
    async with talking_to(server, tmp_path) as client:
        await client.post("/v1/chat/completions", {})
    assert b"authorization" not in server.heads[0]


@pytest.mark.parametrize("status", [b"401 Unauthorized", b"403 Forbidden"])
async def test_an_engine_that_wants_another_key_is_told_by_the_name_of_the_setting(
    tmp_path: Path, status: bytes
) -> None:
    server = Breaking(*[said(b'{"error":"Unauthorized"}', status)] * 4)
    async with talking_to(server, tmp_path, api_key="wrong") as client:
        for asked in (client.loaded, client.healthy, lambda: client.post("/v1/chat/completions", {})):
            with pytest.raises(EngineKeyRefusedError, match="set POSTIL_ENGINE_API_KEY to one that it takes"):
                await asked()
        assert await client.health() is Health.UNHEALTHY
