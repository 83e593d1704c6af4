"""TLS at the gateway: real connections over loopback, certificates that change, clients that are not trusted."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from postil.gateway.cli.api_client import CommandError, trusted
from postil.gateway.cli.run_server import warn_of_plain_text
from postil.gateway.control.traffic import Traffic
from postil.gateway.errors import SettingsError
from postil.gateway.server.shutdown import Server, configured
from postil.gateway.server.sockets import listen
from postil.gateway.server.tls import TlsFiles
from postil.gateway.settings import Settings, read_settings
from tests.gateway.conftest import until
from tests.gateway.server.test_http_protocol import App
from tests.support.certificates import Authority


class WithLifespan(App):
    """An application that starts and stops."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await super().__call__(scope, receive, send)
            return
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})


@asynccontextmanager
async def listening(settings: Settings, app: Any = None) -> AsyncIterator[int]:
    """The port of an application as ``postil serve`` has it listen."""

    async def cut() -> None: ...

    sock = listen("127.0.0.1", 0)
    server = Server(configured(settings, Traffic(), app or WithLifespan()), cut)
    task = asyncio.create_task(server._serve([sock]))
    await until(lambda: server.started or task.done())
    try:
        yield sock.getsockname()[1]
    finally:
        server.should_exit = True
        await task


def settings_of(home: Path, files: tuple[Path, Path], **more: Any) -> Settings:
    return Settings(home=home, tls_certificate=files[0], tls_key=files[1], **more)


async def peer(port: int, authority: Authority, own: tuple[Path, Path] | None = None) -> dict[str, Any]:
    """Ask once over TLS: the certificate that was shown, the version, and the answer."""
    context = ssl.create_default_context(cafile=authority.file)
    if own is not None:
        context.load_cert_chain(*own)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    writer.write(b"GET /x HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    answer = await reader.read()
    tls = writer.get_extra_info("ssl_object")
    shown = {"serial": tls.getpeercert()["serialNumber"], "version": tls.version(), "answer": answer}
    writer.close()
    return shown


async def test_answers_go_over_tls_and_browsers_are_told_to_stay_there(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with listening(settings_of(tmp_path, authority.issue("gateway"))) as port:
        shown = await peer(port, authority)
    assert shown["answer"].startswith(b"HTTP/1.1 200")
    assert b"strict-transport-security: max-age=31536000" in shown["answer"]
    assert shown["version"] == "TLSv1.3"


async def test_old_tls_and_plain_http_get_no_answer(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with listening(settings_of(tmp_path, authority.issue("gateway"))) as port:
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=old)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n")
        assert b"HTTP/1.1" not in await _rest(reader)
        writer.close()
        assert (await peer(port, authority))["answer"].startswith(b"HTTP/1.1 200")


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def test_who_connects_and_never_speaks_tls_is_closed(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    settings = settings_of(tmp_path, authority.issue("gateway"), head_timeout_seconds=0.2)
    async with listening(settings) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        async with asyncio.timeout(10):
            assert {await _rest(reader) for reader, _ in silent} == {b""}
        for _, writer in silent:
            writer.close()
        assert (await peer(port, authority))["answer"].startswith(b"HTTP/1.1 200")


async def test_a_new_certificate_is_shown_to_new_connections_without_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)
    async with listening(settings_of(tmp_path, authority.issue("gateway"))) as port:
        context = ssl.create_default_context(cafile=authority.file)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        first = (await peer(port, authority))["serial"]
        authority.issue("gateway")
        second = await _changed(port, authority, first)
        # At a signal the files are read at once.
        authority.issue("gateway")
        os.kill(os.getpid(), signal.SIGHUP)
        third = await _changed(port, authority, second)
        assert len({first, second, third}) == 3
        # A connection from before goes on.
        writer.write(b"GET /x HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        # What cannot be used is not taken, and said once.
        (tmp_path / "gateway.key").write_text("no key")
        with caplog.at_level(logging.ERROR):
            await until(lambda: "the last good ones stay in force" in caplog.text)
        assert (await peer(port, authority))["serial"] == third


async def _changed(port: int, authority: Authority, before: str) -> str:
    async with asyncio.timeout(20):
        while (serial := str((await peer(port, authority))["serial"])) == before:
            pass
    return serial


async def test_with_an_authority_for_clients_nobody_else_is_answered(tmp_path: Path) -> None:
    authority, clients = Authority(tmp_path), Authority(tmp_path, "clients")
    settings = settings_of(tmp_path, authority.issue("gateway"), tls_client_ca=clients.file)
    async with listening(settings) as port:
        shown = await peer(port, authority, clients.issue("ann"))
        assert shown["answer"].startswith(b"HTTP/1.1 200")
        for own in (None, authority.issue("stranger")):
            with suppress(ssl.SSLError, ConnectionError):
                assert (await peer(port, authority, own))["answer"] == b""


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o660, 0o606])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    files = Authority(tmp_path).issue("gateway")
    files[1].chmod(mode)
    with pytest.raises(SettingsError, match="can be read by others"):
        TlsFiles(*files).load()
    files[1].chmod(0o640)
    TlsFiles(*files).load()


def test_files_that_cannot_be_used_are_said_in_a_sentence(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("gateway")
    other = authority.issue("other")[1]
    locked = authority.issue("locked", password=b"secret")
    for files, says in (
        (TlsFiles(certificate, other), "key values mismatch"),
        (TlsFiles(*locked), "POSTIL_TLS_KEY cannot be used"),
        (TlsFiles(key, key), "cannot be used"),
        (TlsFiles(tmp_path / "none", key), "No such file"),
        (TlsFiles(certificate, tmp_path / "none"), "POSTIL_TLS_KEY=.*cannot be read"),
        (TlsFiles(certificate, key, key), "POSTIL_TLS_CLIENT_CA=.*cannot be used"),
    ):
        with pytest.raises(SettingsError, match=says):
            files.load()


@pytest.mark.parametrize(
    "given", [{"tls_key": Path("k")}, {"tls_certificate": Path("c")}, {"tls_client_ca": Path("a")}]
)
def test_half_of_tls_is_refused(given: dict[str, Path]) -> None:
    with pytest.raises(SettingsError, match="POSTIL_TLS_CERTIFICATE and POSTIL_TLS_KEY"):
        read_settings(**given)


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_plain_text_to_other_machines_is_warned_of(caplog: pytest.LogCaptureFixture, host: str, warned: bool) -> None:
    warn_of_plain_text(Settings(host=host))
    assert ("without TLS" in caplog.text) is warned


async def test_commands_trust_the_authority_that_they_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, clients = Authority(tmp_path), Authority(tmp_path, "clients")
    settings = settings_of(tmp_path, authority.issue("gateway"), tls_client_ca=clients.file)
    own = tmp_path / "own.pem"
    own.write_bytes(b"".join(path.read_bytes() for path in clients.issue("ann")))
    async with listening(settings) as port:
        monkeypatch.setenv("POSTIL_CLIENT_CERTIFICATE", str(own))
        async with httpx.AsyncClient(verify=trusted(authority.file), trust_env=False) as client:
            assert (await client.get(f"https://localhost:{port}/x")).status_code == 200
        async with httpx.AsyncClient(verify=trusted(None), trust_env=False) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(f"https://localhost:{port}/x")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        async with httpx.AsyncClient(verify=trusted(None), trust_env=False) as client:
            assert (await client.get(f"https://localhost:{port}/x")).status_code == 200


def test_an_authority_that_is_no_file_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match=r"POSTIL_CA_FILE=.*cannot be used"):
        trusted(tmp_path / "none")
    monkeypatch.setenv("POSTIL_CLIENT_CERTIFICATE", str(tmp_path / "none"))
    with pytest.raises(CommandError, match=r"POSTIL_CLIENT_CERTIFICATE=.*cannot be used"):
        trusted(None)
