"""What a connection to the engine makes of what comes: cut anywhere, too fast, too late, or not HTTP at all."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.gateway.engine.transport import http1 as http
from postil.gateway.engine.transport.http1 import HttpClient
from postil.gateway.engine.transport.response import BrokenError, SilentError

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"
SIZED = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nhello, world"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nhello, world"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + SIZED
Handler = Callable[["Peer"], Awaitable[None]]


class Peer:
    """The other end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def heard(self) -> bytes:
        """The head of the next request; its body is read too."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-l"))
        await self.reader.readexactly(length)
        return head

    async def say(self, *parts: bytes) -> None:
        """Write, part by part."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0)


@asynccontextmanager
async def talking(
    folder: Path, handler: Handler, *, timeout_seconds: float = 10, behind_seconds: float = 30
) -> AsyncIterator[HttpClient]:
    """A client of a server that treats each connection like that, and then hangs up."""
    path = folder / "s"
    tasks: list[asyncio.Task[None]] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        try:
            await handler(Peer(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # The client hung up.
        finally:
            writer.close()

    async with await asyncio.start_unix_server(connected, path):
        client = HttpClient(f"unix:{path}", timeout_seconds=timeout_seconds, behind_seconds=behind_seconds)
        try:
            yield client
        finally:
            await client.close()
            await asyncio.gather(*tasks, return_exceptions=True)
    path.unlink(missing_ok=True)


def answering(*parts: bytes) -> Handler:
    """A server that answers one request with these parts."""

    async def handler(peer: Peer) -> None:
        await peer.heard()
        await peer.say(*parts)

    return handler


@pytest.mark.parametrize("answer", [CHUNKED, SIZED, UNTIL_CLOSED, INTERIM], ids=["chunked", "sized", "closed", "1xx"])
async def test_a_body_is_read_whole_however_it_says_where_it_ends(tmp_path: Path, answer: bytes) -> None:
    async with talking(tmp_path, answering(answer)) as client:
        found = await client.ask(b"POST", b"/x", b"{}")
        assert (found.status, await found.read()) == (200, b"hello, world")


@given(answer=st.sampled_from([CHUNKED, SIZED, INTERIM]), cuts=st.lists(st.integers(1, 90), max_size=6))
@settings(max_examples=60, deadline=None)
def test_wherever_it_is_cut_it_is_the_same_answer(
    tmp_path_factory: pytest.TempPathFactory, answer: bytes, cuts: list[int]
) -> None:
    places = [0, *sorted({cut for cut in cuts if cut < len(answer)}), len(answer)]
    parts = [answer[start:end] for start, end in itertools.pairwise(places)]

    async def asked() -> bytes:
        async with talking(tmp_path_factory.mktemp("cut"), answering(*parts)) as client:
            found = await client.ask(b"GET", b"/x")
            return b"".join([chunk async for chunk in found.chunks()])

    assert asyncio.run(asked()) == b"hello, world"


@pytest.mark.parametrize("cut", [1, 20, len(CHUNKED) - 6], ids=["status", "head", "body"])
async def test_one_that_breaks_off_is_never_whole(tmp_path: Path, cut: int) -> None:
    async with talking(tmp_path, answering(CHUNKED[:cut])) as client:
        with pytest.raises(BrokenError) as caught:
            await (await client.ask(b"GET", b"/x")).read()
        assert caught.value.begun is (cut > len(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"))


async def test_what_is_not_http_is_told(tmp_path: Path) -> None:
    async with talking(tmp_path, answering(b"SSH-2.0-OpenSSH_9.2\r\n")) as client:
        with pytest.raises(BrokenError, match="not HTTP"):
            await client.ask(b"GET", b"/x")


async def test_silence_ends_after_its_time_and_a_slow_answer_does_not(tmp_path: Path) -> None:
    went_on = asyncio.Event()

    async def handler(peer: Peer) -> None:
        await peer.heard()
        await peer.say(SIZED[:-6])
        for byte in b" world"[:3]:
            await asyncio.sleep(0.06)  # Each of these is shorter than the time that there is, all are longer.
            await peer.say(bytes([byte]))
        went_on.set()
        await peer.reader.read()

    async with talking(tmp_path, handler, timeout_seconds=0.15) as client:
        found = await client.ask(b"GET", b"/x")
        with pytest.raises(SilentError, match=r"0\.15 s"):
            await found.read()
        assert went_on.is_set()


async def test_one_connection_is_kept_and_asked_again(tmp_path: Path) -> None:
    peers: list[Peer] = []

    async def handler(peer: Peer) -> None:
        peers.append(peer)
        while True:
            assert b"content-length: 2" in await peer.heard()
            await peer.say(SIZED)

    async with talking(tmp_path, handler) as client:
        for _ in range(5):
            assert await (await client.ask(b"POST", b"/x", b"{}")).read() == b"hello, world"
        assert len(peers) == 1
        await (await client.ask(b"POST", b"/x", b"{}", fresh=True)).read()
        assert len(peers) == 2


async def test_a_connection_that_lay_too_long_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peers: list[Peer] = []

    async def handler(peer: Peer) -> None:
        peers.append(peer)
        while True:
            await peer.heard()
            await peer.say(SIZED)

    monkeypatch.setattr(http, "_KEEPALIVE_SECONDS", 0.0)
    async with talking(tmp_path, handler) as client:
        for _ in range(3):
            assert await (await client.ask(b"GET", b"/x")).read() == b"hello, world"
        assert len(peers) == 3


async def test_an_answer_that_was_left_is_cancelled_over_there(tmp_path: Path) -> None:
    gone = asyncio.Event()

    async def handler(peer: Peer) -> None:
        await peer.heard()
        await peer.say(CHUNKED[:-10])
        try:
            await peer.reader.read()
        finally:
            gone.set()

    async with talking(tmp_path, handler) as client:
        found = await client.ask(b"GET", b"/x")
        found.leave()
        async with asyncio.timeout(10):
            await gone.wait()


async def test_whoever_reads_slowly_holds_the_server_up_and_not_the_memory(tmp_path: Path) -> None:
    size, part = 64 << 20, b"x" * (1 << 20)
    written = 0

    async def handler(peer: Peer) -> None:
        nonlocal written
        await peer.heard()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(size // len(part)):
            await peer.say(part)
            written += len(part)

    async with talking(tmp_path, handler) as client:
        found = await client.ask(b"GET", b"/x")
        chunks = found.chunks()
        total = len(await anext(chunks))
        before = -1
        while written != before:  # Until it has nothing more that it could write.
            before = written
            for _ in range(50):
                await asyncio.sleep(0.001)
        assert written < 16 << 20
        async for chunk in chunks:
            total += len(chunk)
        assert total == size


async def test_a_whole_answer_may_be_larger_than_what_is_buffered(tmp_path: Path) -> None:
    body = b"x" * (5 << 20)
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with talking(tmp_path, answering(head, body)) as client:
        assert await (await client.ask(b"GET", b"/x")).read() == body


async def test_nobody_at_that_address_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        await HttpClient(f"unix:{tmp_path / 'none'}", timeout_seconds=1).ask(b"GET", b"/x")


async def test_words_that_nobody_asked_for_end_the_connection(tmp_path: Path) -> None:
    async def handler(peer: Peer) -> None:
        await peer.heard()
        await peer.say(SIZED, SIZED)
        await peer.reader.read()

    async with talking(tmp_path, handler) as client:
        assert await (await client.ask(b"GET", b"/x")).read() == b"hello, world"
        async with asyncio.timeout(10):
            while client._idle:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)


async def test_a_body_without_a_length_that_was_hung_up_on_is_not_whole(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def handler(peer: Peer) -> None:
        await peer.heard()
        await peer.say(UNTIL_CLOSED[:-3])
        begun.set()
        await peer.reader.read()

    async with talking(tmp_path, handler) as client:
        found = await client.ask(b"GET", b"/x")
        reading = asyncio.ensure_future(found.read())
        await begun.wait()
        await client.close()
        with pytest.raises(BrokenError):
            await asyncio.wait_for(reading, 10)


@pytest.mark.parametrize("size", [6, 9 << 20], ids=["it has written all", "its reader is far behind"])
async def test_a_server_that_works_no_longer_on_an_answer_is_told_of_before_it_is_read(
    tmp_path: Path, size: int
) -> None:
    async def answers(peer: Peer) -> None:
        await peer.heard()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size, b"x" * size)

    ended = asyncio.Event()
    async with talking(tmp_path, answers, behind_seconds=0.05) as client:
        answer = await client.ask(b"POST", b"/v1/completions")
        answer.when_ended(ended.set)
        async with asyncio.timeout(10):
            await ended.wait()
            assert answer.done is (size == 6)
            assert len(await answer.read()) == size
            ended.clear()
        assert not ended.is_set(), "it is told of once"
