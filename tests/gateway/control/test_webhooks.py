"""What a webhook's address, its name server or its answer may do to a gateway: nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from postil.gateway.control.webhooks import DeliveryResult, Webhooks
from postil.registry.accounts.webhooks import Endpoint
from tests.fakes.http import Receive, Scope, Send, read_body, serving
from tests.support.certificates import Authority
from tests.support.tls import answering_tls

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """Answers with a status, headers and chunks of a body."""

    def __init__(self) -> None:
        self.status, self.headers, self.chunks = 200, list[tuple[bytes, bytes]](), [b""]
        self.got: list[dict[str, str]] = []
        self.sent = 0
        self.url = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        self.got.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await read_body(receive)
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        for chunk in self.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            self.sent += len(chunk)
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    async with serving(made) as url:
        made.url = url
        yield made


@pytest.fixture
def webhooks() -> Iterator[Webhooks]:
    made = Webhooks()
    yield made
    made.close()


def at(url: str, *, allow_private: bool = True) -> Endpoint:
    return Endpoint("decisions", url, (SECRET,), allow_private)


async def post(webhooks: Webhooks, endpoint: Endpoint) -> DeliveryResult:
    return await webhooks.post(endpoint, "review_1", {"id": "1"})


async def test_an_endpoint_that_is_allowed_its_private_address_is_posted_to(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    assert await post(webhooks, at(f"{receiver.url}/x")) == DeliveryResult(True, 200)
    assert receiver.got[0]["webhook-id"] == "review_1"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
async def test_a_webhook_reaches_nothing_inside_however_it_is_written(
    webhooks: Webhooks, receiver: Receiver, host: str
) -> None:
    port = receiver.url.rpartition(":")[2]
    result = await post(webhooks, at(f"http://{host}:{port}/x", allow_private=False))
    assert (result.accepted, result.status) == (False, None)
    assert "not an address of the public internet" in (result.problem or "")
    assert receiver.got == []


async def test_a_name_is_looked_up_once_and_the_address_that_was_checked_is_connected_to(
    webhooks: Webhooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(receiver.url.rpartition(":")[2])
    asked: list[str] = []

    def rebinding(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    assert (await post(webhooks, at(f"http://rebind.test:{port}/x"))).accepted
    assert asked == ["rebind.test"]
    assert receiver.got[0]["host"] == f"rebind.test:{port}"


async def test_a_name_that_points_outside_and_inside_is_refused(
    webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    result = await post(webhooks, at("https://both.test/", allow_private=False))
    assert "both.test is at 10.0.0.1" in (result.problem or "")


async def test_no_redirect_is_followed(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 302, [(b"location", f"{receiver.url}/elsewhere".encode())]
    assert await post(webhooks, at(receiver.url)) == DeliveryResult(False, 302)
    assert len(receiver.got) == 1


async def test_an_endless_answer_is_not_read(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.chunks = [b"x" * 65536] * 1600
    assert (await post(webhooks, at(receiver.url))).accepted
    assert receiver.sent < 16 << 20, "what the sockets of both sides hold"


async def test_one_that_is_not_there_is_a_problem_and_no_crash(
    webhooks: Webhooks, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        result = await post(webhooks, at(f"http://127.0.0.1:{free.getsockname()[1]}/"))
    assert (result.accepted, result.problem) == (False, "it was not reached (ClientConnectorError)")
    assert "webhook decisions: it was not reached" in caplog.text


async def test_a_name_server_that_hangs_keeps_no_other_thread_waiting(
    webhooks: Webhooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, release = socket.getaddrinfo, asyncio.Event()
    loop = asyncio.get_running_loop()

    def hanging(host: str, *arguments: Any, **named: Any) -> Any:
        if host == "slow.test":
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result()
        return known(host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    slow = [asyncio.create_task(post(webhooks, at("http://slow.test/"))) for _ in range(7)]
    assert (await post(webhooks, at(receiver.url))).accepted
    assert await asyncio.to_thread(lambda: True)
    for task in slow:
        task.cancel()
    release.set()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_a_receiver_behind_a_private_authority_is_posted_to_where_that_is_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with answering_tls(authority.issue("receiver")) as port:
        for trusting, problem in ((Webhooks(), "does not trust its certificate"), (Webhooks(authority.file), "")):
            result = await post(trusting, at(f"https://localhost:{port}/x"))
            trusting.close()
            assert (result.accepted, problem in (result.problem or "")) == (not problem, True)


async def test_authorities_that_cannot_be_read_are_a_problem_and_no_crash(tmp_path: Path) -> None:
    strange = Webhooks(tmp_path / "none")
    result = await post(strange, at("https://localhost:1/x"))
    strange.close()
    assert "POSTIL_CA_FILE" in (result.problem or "")
