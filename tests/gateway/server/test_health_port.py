"""Health at a port of its own: answered whatever requests do, and aware of an event loop that stands still."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from postil.gateway.api.health import Readiness
from postil.gateway.control.supervised import BackgroundTasks
from postil.gateway.errors import SettingsError
from postil.gateway.server.health_port import HealthPort
from postil.gateway.server.sockets import listen
from postil.registry.backoff import Backoff
from tests.gateway.conftest import until
from tests.support.plain_http import plain_client


@asynccontextmanager
async def answering(
    readiness: Callable[[], tuple[int, Readiness]] = lambda: (200, Readiness(status="ready")),
) -> AsyncIterator[str]:
    """A health port of this event loop; its URL."""
    with listen("127.0.0.1", 0) as listener:
        task = asyncio.create_task(HealthPort(listener, readiness).run())
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            task.cancel()
            await asyncio.wait({task})


async def test_it_says_what_the_gateway_says() -> None:
    state = [(200, Readiness(status="ready")), (503, Readiness(status="draining", failing=["usage"]))]
    async with answering(lambda: state[0]) as url, plain_client(url) as client:
        live, ready = await client.get("/health/live"), await client.get("/health/ready?x")
        assert (live.status_code, live.json()) == (200, {"status": "live"})
        assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
        state.pop(0)
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()) == (503, {"status": "draining", "failing": ["usage"]})
        assert (await client.head("/health/live")).status_code == 200
        assert (await client.get("/v1/models")).status_code == 404
        assert (await client.post("/health/live")).status_code == 405


async def test_it_answers_within_a_second_while_the_event_loop_of_requests_is_held_up() -> None:
    answers: list[tuple[float, int]] = []

    def ask(url: str) -> None:
        for _ in range(3):
            began = time.monotonic()
            status = httpx.get(f"{url}/health/live", trust_env=False, timeout=20).status_code
            answers.append((time.monotonic() - began, status))

    async with answering() as url:
        async with plain_client(url) as client:
            assert (await client.get("/health/live")).status_code == 200
        asker = threading.Thread(target=ask, args=(url,))
        asker.start()
        while asker.is_alive():
            asker.join()  # Nothing else runs in this loop meanwhile.
    assert [status for _, status in answers] == [200, 200, 200]
    assert max(seconds for seconds, _ in answers) < 1


@pytest.mark.parametrize(("silent", "live", "ready"), [(1.0, 200, 200), (6.0, 200, 503), (31.0, 503, 503)])
def test_a_loop_that_stands_still_is_not_ready_and_then_not_live(silent: float, live: int, ready: int) -> None:
    now = [100.0]
    listener = listen("127.0.0.1", 0)
    port = HealthPort(listener, lambda: (200, Readiness(status="ready")), lambda: now[0])
    now[0] += silent
    said = [port.answer(b"GET /health/%b HTTP/1.1\r\n\r\n" % path).split()[1] for path in (b"live", b"ready")]
    assert [int(each) for each in said] == [live, ready]
    listener.close()


async def test_who_says_nothing_there_takes_nobody_s_place() -> None:
    async with answering() as url, plain_client(url, timeout=10) as client:
        port = int(url.rsplit(":", 1)[1])
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(300)]
        assert (await client.get("/health/live")).status_code == 200
        for reader, writer in silent:
            with suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()


async def test_every_probe_is_answered_while_silent_connections_come_without_end() -> None:
    stop = threading.Event()

    def attack(port: int) -> None:
        while not stop.is_set():
            silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
            for each in silent:
                each.close()

    async with answering() as url:
        attacker = asyncio.create_task(asyncio.to_thread(attack, int(url.rsplit(":", 1)[1])))
        try:
            for _ in range(30):
                async with plain_client(url, timeout=10) as client:
                    assert (await client.get("/health/live")).status_code == 200
        finally:
            stop.set()
            await attacker


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_thread_that_ended_is_told_and_started_again() -> None:
    deadly = [True]

    def readiness() -> tuple[int, Readiness]:
        if deadly.pop():
            raise SystemExit
        deadly.append(False)
        return 200, Readiness(status="ready")

    with listen("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        tasks = BackgroundTasks(Backoff(0.01, 0.01))
        tasks.start("health port", HealthPort(listener, readiness).run)
        async with plain_client(url, timeout=10) as client:
            with pytest.raises(httpx.TransportError):
                await client.get("/health/ready")
            deadly.append(False)
            await until(lambda: tasks.failing == ["health port"])
            assert (await client.get("/health/ready")).status_code == 200
        await tasks.stop()


def test_a_port_that_is_taken_is_said_at_start() -> None:
    taken = listen("127.0.0.1", 0)
    with pytest.raises(SettingsError, match="cannot listen"):
        listen("127.0.0.1", taken.getsockname()[1])
    taken.close()
