"""Ports of their own: the admin API at one, health at another, workers behind TLS; `postil serve` as a process."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from postil.gateway.cli.api_client import connected, trusted
from postil.gateway.control.traffic import Traffic
from postil.gateway.server.admin_port import set_apart
from postil.gateway.server.app import create_app
from postil.gateway.server.metrics_port import with_metrics_port
from postil.gateway.server.shutdown import Server, configured
from postil.gateway.server.sockets import listen
from postil.gateway.settings import Settings
from tests.fakes.adapters import write_base
from tests.fakes.http import respond, serving
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import bearer, running_house, until
from tests.gateway.server.test_tls import WithLifespan, listening
from tests.support.certificates import Authority
from tests.support.plain_http import plain_client
from tests.support.servers import free_port

POSTIL = Path(sys.executable).with_name("postil")


class Paths(WithLifespan):
    """Answers with nothing, to everything."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
        else:
            await respond(send, 200, b"{}")


@pytest.mark.parametrize(
    "path", ["/api/v1/keys", "/api", "//api/v1/keys", "/api/v1/docs", "/console", "//console/login"]
)
async def test_with_an_admin_port_the_admin_api_and_the_console_are_nowhere_else(tmp_path: Path, path: str) -> None:
    admin = listen("127.0.0.1", 0)
    port = admin.getsockname()[1]
    main = listen("127.0.0.1", 0)

    async def cut() -> None: ...

    settings = Settings(home=tmp_path, admin_port=port)
    server = Server(configured(settings, Traffic(), Paths()), cut)
    task = asyncio.create_task(server._serve([main, admin]))
    await until(lambda: server.started)
    async with plain_client() as client:
        here, there = f"http://127.0.0.1:{main.getsockname()[1]}", f"http://127.0.0.1:{port}"
        assert (await client.get(f"{here}{path}")).status_code == 404
        assert (await client.get(f"{there}{path}")).status_code == 200
        refused = await client.get(f"{there}/v1/models")
        assert (refused.status_code, "POSTIL_PORT" in refused.text) == (404, True)
        for url in (here, there):
            assert (await client.get(f"{url}/health/live")).status_code == 200
    server.should_exit = True
    await task


async def test_without_an_admin_port_it_is_at_every_port(tmp_path: Path) -> None:
    async with listening(Settings(home=tmp_path), Paths()) as port, plain_client() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/api/v1/keys")).status_code == 200
    app = Paths()
    assert set_apart(app, None) is app


async def test_at_the_metrics_port_there_are_metrics_and_nothing_else(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    listener = listen("127.0.0.1", 0)
    async with running_house(tmp_path, *engine_at) as house:
        app = with_metrics_port(create_app(house.runtime), listener.getsockname()[1], house.runtime.metrics)
        async with serving(app, listener=listener) as url, plain_client() as client:
            found = await client.get(f"{url}/metrics")
            assert (found.status_code, b"postil_engine_up 1.0" in found.content) == (200, True)
            head = await client.head(f"{url}/metrics")
            assert (head.content, head.headers["content-length"]) == (b"", str(len(found.content)))
            for path in ("/v1/models", "/api/v1/status", "/health/live", "/metrics/"):
                assert (await client.get(f"{url}{path}")).status_code == 404
            assert (await client.post(f"{url}/metrics")).status_code == 404
        assert (await house.client.get("/metrics")).status_code == 401


@asynccontextmanager
async def served(folder: Path, engine_url: str, *arguments: str, **more: str) -> AsyncIterator[psutil.Popen]:
    """`postil serve` as a process of its own."""
    known = {name: text for name, text in os.environ.items() if not name.startswith("POSTIL_")} | {
        "POSTIL_HOME": str(folder / "home"), "POSTIL_BASE_MODEL": str(write_base(folder / "base")),
        "POSTIL_ENGINE_URL": engine_url, **more,
    }  # fmt: skip
    process = psutil.Popen([str(POSTIL), "serve", *arguments], env=known)
    try:
        yield process
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, 30)
        except psutil.TimeoutExpired:
            process.kill()


async def ready(client: httpx.AsyncClient, url: str) -> None:
    """Wait until a gateway says that it is ready."""
    async with asyncio.timeout(90):
        while True:
            try:
                if (await client.get(f"{url}/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


async def test_workers_speak_tls_and_take_a_new_certificate_and_the_admin_api_is_apart(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path / "pki")
    certificate, key = authority.issue("gateway")
    ports = [free_port() for _ in range(3)]
    settings = {
        "POSTIL_PORT": str(ports[0]), "POSTIL_ADMIN_PORT": str(ports[1]), "POSTIL_HEALTH_PORT": str(ports[2]),
        "POSTIL_TLS_CERTIFICATE": str(certificate), "POSTIL_TLS_KEY": str(key), "POSTIL_CA_FILE": str(authority.file),
        "POSTIL_SHUTDOWN_DELAY_SECONDS": "0",
    }  # fmt: skip
    main, admin = (f"https://localhost:{port}" for port in ports[:2])
    async with (
        served(tmp_path, engine_at[1], "--workers", "2", **settings) as process,
        httpx.AsyncClient(verify=trusted(authority.file), trust_env=False, timeout=30) as client,
    ):
        await ready(client, f"http://127.0.0.1:{ports[2]}")
        await ready(client, main)
        root = bearer((tmp_path / "home" / "admin.key").read_text().strip())
        assert (await client.get(f"{main}/api/v1/tenants", headers=root)).status_code == 404
        listed = await client.get(f"{admin}/api/v1/tenants", headers=root)
        assert listed.status_code == 200
        answered = await client.get(f"{main}/v1/models", headers=root)
        assert answered.status_code == 200
        assert "strict-transport-security" in listed.headers
        assert "strict-transport-security" in answered.headers
        for name, value in (settings | {"POSTIL_HOME": str(tmp_path / "home")}).items():
            monkeypatch.setenv(name, value)
        await asyncio.to_thread(_by_command)
        # Whoever renews the certificate restarts nothing: neither port, no worker.
        crew = {child.pid for child in process.children(recursive=True)}
        before = {await _serial(authority, port) for port in ports[:2]}
        authority.issue("gateway")
        async with asyncio.timeout(30):
            for port in ports[:2]:
                for _ in range(8):  # Whichever worker the kernel chooses.
                    while await _serial(authority, port) in before:
                        pass
        assert {child.pid for child in process.children(recursive=True)} == crew


def _by_command() -> None:
    with connected() as client:
        assert client.get("/api/v1/tenants").status_code == 200


async def _serial(authority: Authority, port: int) -> str:
    context = ssl.create_default_context(cafile=authority.file)
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    serial = str(writer.get_extra_info("ssl_object").getpeercert()["serialNumber"])
    writer.close()
    return serial


async def test_a_command_that_does_not_trust_the_certificate_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = Authority(tmp_path).issue("gateway")
    async with listening(Settings(home=tmp_path, tls_certificate=certificate, tls_key=key)) as port:
        environment = {**os.environ, "POSTIL_URL": f"https://localhost:{port}", "POSTIL_KEY": "x" * 30}
        command = await asyncio.create_subprocess_exec(
            str(POSTIL), "status", env=environment, stderr=asyncio.subprocess.PIPE
        )
        _, said = await command.communicate()
    assert command.returncode == 1
    assert b"does not trust the certificate" in said
    assert b"POSTIL_CA_FILE" in said
    assert b"Traceback" not in said
