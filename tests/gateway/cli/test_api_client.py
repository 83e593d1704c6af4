"""How a command reaches its gateway: private authorities, proxies, and servers that are no gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.command_line import Ran, run_command
from tests.support.tls import answering_tls

HEAD = {"sequence": 1, "hash": "abc"}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTIL_KEY", " the-key\n")
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def head(monkeypatch: pytest.MonkeyPatch) -> Ran:
    """``postil audit head``."""
    return await asyncio.to_thread(run_command, monkeypatch, "audit", "head")


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "POSTIL_CA_FILE"])
async def test_a_gateway_behind_a_private_authority_is_trusted_where_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    authority = Authority(tmp_path / "authority")
    async with answering_tls(authority.issue("gateway"), json.dumps(HEAD).encode()) as port:
        monkeypatch.setenv("POSTIL_URL", f"https://localhost:{port}")
        ran = await head(monkeypatch)
        assert (ran.status, ran.out) == (1, "")
        assert f"does not trust the certificate of https://localhost:{port}" in ran.complaints
        assert "SSL_CERT_FILE" in ran.complaints
        monkeypatch.setenv(name, str(authority.file))
        ran = await head(monkeypatch)
        assert (ran.status, json.loads(ran.out)) == (0, HEAD)


@asynccontextmanager
async def proxy(status: bytes = b"200 OK", body: bytes = b"{}") -> AsyncIterator[tuple[int, list[str]]]:
    """Answers whatever is asked of it; yields its port and the first lines of what it was asked."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


async def test_a_gateway_elsewhere_is_reached_by_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with proxy(body=json.dumps(HEAD).encode()) as (port, asked):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("POSTIL_URL", "http://gateway.example")
        assert json.loads((await head(monkeypatch)).out) == HEAD
        assert asked[0].startswith("GET http://gateway.example/api/v1/audit/head HTTP/1.1")
        assert "authorization: Bearer the-key\r\n" in asked[0].lower().replace("bearer", "Bearer")
        monkeypatch.setenv("NO_PROXY", "gateway.example")
        assert "no gateway answers at http://gateway.example" in (await head(monkeypatch)).complaints
        assert len(asked) == 1


async def test_a_proxy_that_lets_nobody_through_is_told_from_a_gateway_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with proxy(b"403 Forbidden") as (port, asked):
        monkeypatch.setenv("HTTPS_PROXY", f"http://ann:s3cret@127.0.0.1:{port}")
        monkeypatch.setenv("POSTIL_URL", "https://gateway.example")
        complaints = (await head(monkeypatch)).complaints
        assert complaints.startswith("error: the proxy does not let this command reach https://gateway.example")
        assert "s3cret" not in complaints
        assert asked[0].startswith("CONNECT gateway.example:443")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
async def test_no_proxy_stands_between_a_command_and_its_own_machine(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    async with proxy() as (port, asked):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("POSTIL_URL", f"http://{host}:1")
        assert "no gateway answers" in (await head(monkeypatch)).complaints
        assert asked == []


@pytest.mark.parametrize("arguments", [["audit", "head"], ["tenants", "list"], ["status"]])
@pytest.mark.parametrize(
    ("status", "body"), [(b"200 OK", b"<html>a portal</html>"), (b"200 OK", b"\xff"), (b"404 No", b"<html>")]
)
async def test_a_server_that_is_no_gateway_is_said_to_be_none(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: bytes, body: bytes
) -> None:
    async with proxy(status, body) as (port, _):
        monkeypatch.setenv("POSTIL_URL", f"http://ann:s3cret@127.0.0.1:{port}")
        ran = await asyncio.to_thread(run_command, monkeypatch, *arguments)
        assert ran.status == 1
        assert "is not a postil gateway's answer" in ran.complaints
        assert "s3cret" not in ran.complaints


async def test_a_list_of_another_service_is_said_to_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy(body=b"[]") as (port, _):
        monkeypatch.setenv("POSTIL_URL", f"http://127.0.0.1:{port}")
        ran = await asyncio.to_thread(run_command, monkeypatch, "tenants", "list")
        assert "does not answer as a postil gateway does" in ran.complaints
