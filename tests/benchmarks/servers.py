"""What the benchmarks share: servers as processes, and publishing to a gateway."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from postil.registry.sources import pack


def free_port() -> int:
    """A port of loopback that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@asynccontextmanager
async def running(command: list[str], url: str, within: float = 60, /, **environment: str) -> AsyncIterator[int]:
    """A server as a process, answering at ``url`` with 200 ``within`` seconds; gives its process id."""
    quiet = subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, "POSTIL_LEAVE_SECONDS": "0", **environment}, stdout=quiet, stderr=quiet
    )
    try:
        async with asyncio.timeout(within), aiohttp.ClientSession() as session:
            while not await _answers(session, url):  # noqa: ASYNC110 - nobody over there can set an event
                await asyncio.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        await process.wait()


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


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
        session.post(f"{url}/api/adapters/{name}/releases", data=form) as response,
    ):
        response.raise_for_status()
        made: dict[str, Any] = await response.json()
        return made
