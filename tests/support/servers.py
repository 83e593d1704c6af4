"""What the benchmarks share: servers as processes, and publishing to a gateway."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from postil.gateway.engine.process import launch_args as command
from postil.gateway.settings import Settings
from postil.registry.artifacts.archives.pack import pack
from postil.registry.base_model.prepare import prepare

# Below what Linux, macOS and Windows choose from.
_NOT_GIVEN = (20_000, 32_000)


def free_port() -> int:
    """A port of loopback that was free a moment ago, of those that the system gives to nobody by itself.

    Until a slow process listens there, clients and servers of other tests get ports of the system's choice.
    """
    while True:
        port = random.SystemRandom().randrange(*_NOT_GIVEN)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@asynccontextmanager
async def running(command: list[str], url: str, within: float = 60, /, **environment: str) -> AsyncIterator[int]:
    """A server as a process, answering at ``url`` with 200 ``within`` seconds; gives its process id.

    Raises RuntimeError: it ended before, with what it said.
    """
    with tempfile.TemporaryFile() as said:
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, "POSTIL_SHUTDOWN_DELAY_SECONDS": "0", **environment}, stdout=said, stderr=said
        )
        try:
            async with asyncio.timeout(within), aiohttp.ClientSession() as session:
                while not await _answers(session, url):
                    if process.returncode is not None:
                        said.seek(0)
                        raise RuntimeError(f"{command} ended: {said.read().decode(errors='replace')[-2000:]}")
                    await asyncio.sleep(0.1)
            yield process.pid
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def prepared(home: Path) -> Path:
    """The default base, as a gateway with its data in ``home`` would prepare it; returns where it is."""
    home.mkdir(parents=True)
    return prepare(None, home).path.resolve()


@asynccontextmanager
async def vllm(model: Path, **settings: Any) -> AsyncIterator[str]:
    """A vLLM as a gateway of these settings would start it, but on a port; gives its URL."""
    url = f"http://127.0.0.1:{free_port()}"
    given = Settings(**settings)
    arguments = command.command(given, model, Path("unused"), cpu=command.on_cpu())
    at = arguments.index("--uds")
    arguments[at : at + 2] = ["--host", "127.0.0.1", "--port", url.rpartition(":")[2]]
    environment = command.environment(os.environ, given, cpu=command.on_cpu())
    async with running(arguments, f"{url}/health", 600, **environment):
        yield url


async def publish(url: str, key: str, name: str, adapter: Path, policy: str) -> dict[str, Any]:
    """Publish a folder as the command does; returns the release."""
    with tempfile.TemporaryFile() as packed:
        pack(adapter, packed)
        packed.seek(0)
        form = aiohttp.FormData({"policy": policy})
        form.add_field("artifact", packed.read(), filename="adapter.tar")
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{url}/api/v1/adapters/{name}/releases", data=form) as response,
    ):
        response.raise_for_status()
        made: dict[str, Any] = await response.json()
        return made


async def promote(url: str, key: str, name: str) -> None:
    """Make an adapter's first release live."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session,
        session.post(f"{url}/api/v1/adapters/{name}/promote", json={"release": 1}) as response,
    ):
        response.raise_for_status()
