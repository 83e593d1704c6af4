from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from postil.plugins import ConfigError
from postil.plugins.builtin.webhook import Webhook
from postil.plugins.signing import SIGNATURE
from tests.fakes.http import Receive, Scope, Send, read_body, serving
from tests.plugins.notifications import notification, told
from tests.support.certificates import Authority
from tests.support.tls import answering_tls


class Receiver:
    """Answers with the next of its statuses (the last one again and again) and keeps what it was sent."""

    def __init__(self) -> None:
        self.statuses = [204]
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.url = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.got.append((scope["path"], headers, await read_body(receive)))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        location = [(b"location", f"{self.url}/elsewhere".encode())]
        await send({"type": "http.response.start", "status": status, "headers": location})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    async with serving(made) as url:
        made.url = url
        yield made


def webhook(url: str, **config: Any) -> Webhook:
    made: Webhook = Webhook.from_mapping({"url": f"{url}/hook", "backoff_seconds": 0, **config})
    return made


async def test_a_happening_is_posted_as_json(receiver: Receiver) -> None:
    await webhook(receiver.url).handle(notification())
    ((path, headers, body),) = receiver.got
    assert (path, headers["content-type"], json.loads(body)) == ("/hook", "application/json", told())
    assert SIGNATURE not in headers


async def test_the_body_is_signed_with_the_secret(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    listener = webhook(receiver.url, secret_env="HOOK_SECRET")
    assert "s3cret" not in repr(listener.config)
    await listener.handle(notification())
    ((_, headers, body),) = receiver.got
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(b"s3cret", signed, hashlib.sha256)).decode()
    assert headers[SIGNATURE] == f"v1,{expected}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60


@pytest.mark.parametrize("status", [500, 503, 429, 408])
async def test_what_may_pass_is_tried_again(receiver: Receiver, status: int) -> None:
    receiver.statuses = [status, status, 200]
    await webhook(receiver.url).handle(notification())
    assert len(receiver.got) == 3
    assert len({(headers["webhook-id"], body) for _, headers, body in receiver.got}) == 1


async def test_it_gives_up_after_its_attempts_and_says_so(receiver: Receiver) -> None:
    receiver.statuses = [500]
    with pytest.raises(httpx.HTTPStatusError):
        await webhook(receiver.url, attempts=3).handle(notification())
    assert len(receiver.got) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 410])
async def test_a_refusal_is_not_tried_again(receiver: Receiver, status: int) -> None:
    receiver.statuses = [status]
    with pytest.raises(httpx.HTTPStatusError):
        await webhook(receiver.url).handle(notification())
    assert len(receiver.got) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.statuses = [status]
    with pytest.raises(httpx.HTTPStatusError):
        await webhook(receiver.url).handle(notification())
    assert [path for path, _, _ in receiver.got] == ["/hook"]


async def test_an_address_where_nobody_listens_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(httpx.ConnectError):
        await webhook(f"http://127.0.0.1:{port}", attempts=2).handle(notification())


async def test_one_that_never_answers_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises((httpx.TimeoutException, TimeoutError)):
            await webhook(url, attempts=2, timeout_seconds=0.05).handle(notification())


async def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    await webhook(receiver.url).handle(notification())
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({}, "webhook: url: field required"),
        ({"url": "ftp://host"}, "webhook: url: string should match pattern"),
        ({"url": "https://user:word@host"}, "webhook: url: string should match pattern"),
        (
            {"url": "https://host", "secret_env": "NOT_SET"},
            "webhook: the environment has no NOT_SET; set it, or leave secret_env out",
        ),
        (
            {"url": "https://host", "attempts": 6},
            "webhook: 6 attempts can take 91 seconds, and 55 are the most; allow fewer or shorter ones",
        ),
        ({"url": "https://host", "secret": "s3cret"}, "webhook: there is no option secret; did you mean secret_env?"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Webhook.from_mapping(config)
    assert str(caught.value).startswith(sentence)


async def test_a_receiver_behind_a_private_authority_is_posted_to_where_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)
    async with answering_tls(authority.issue("receiver")) as port:
        with pytest.raises(httpx.ConnectError):
            await webhook(f"https://localhost:{port}").handle(notification())
        assert "does not trust the receiver's certificate" in caplog.text
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        made = webhook(f"https://localhost:{port}")
        for _ in range(2):
            await made.handle(notification())
