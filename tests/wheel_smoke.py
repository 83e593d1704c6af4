"""Uses the postil that is installed in this environment, without an engine: ``tests/from_wheel.py`` runs it.

A gateway is started over a small fake vLLM, an adapter is published with the command, and a tenant asks it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import httpx

from tests.fakes.adapters import write_adapter, write_base
from tests.fakes.vllm import running_engine

POSTIL = Path(sys.executable).with_name("postil")
POLICY = "output: {labels: [symptoms, appointment, billing]}\nvalidators: [{name: labels}]\n"
SECONDS = 60.0


async def main() -> None:
    """Exit with a sentence at the first thing that is not as the documentation says."""
    with tempfile.TemporaryDirectory(prefix="postil-smoke-") as text:
        folder = Path(text)
        environment = {**os.environ, "POSTIL_HOME": str(folder / "home"), "POSTIL_PORT": str(free_port())}
        await expect(environment, 0, f"postil {version('postil')}", "--version")
        await expect(environment, 0, "--demo", "serve", "--help")
        await expect(environment, 1, "no engine is installed: install one with `pip install 'postil[cpu]'", "serve")
        base, adapter = write_base(folder / "base"), write_adapter(folder / "adapter")
        (adapter / "policy.yaml").write_text(POLICY)
        async with running_engine() as (_, url):
            environment |= {"POSTIL_ENGINE_URL": url, "POSTIL_BASE_MODEL": str(base)}
            async with serving(environment):
                await use(environment, adapter)
    print(f"smoke: the gateway of Python {sys.version.split()[0]} published an adapter, and it answered")


async def use(environment: dict[str, str], adapter: Path) -> None:
    """Publish an adapter, add a tenant, list its models and ask one."""
    await expect(environment, 0, "it is live", "publish", str(adapter), "--adapter", "healthcare/triage", "--promote")
    said = await expect(environment, 0, "key", "tenants", "add", "clinic", "--domain", "healthcare", "--json")
    headers = {"Authorization": f"Bearer {json.loads(said)['key']}"}
    url = f"http://127.0.0.1:{environment['POSTIL_PORT']}"
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=SECONDS) as client:
        models = [model["id"] for model in (await client.get("/v1/models")).json()["data"]]
        body = {"messages": [{"role": "user", "content": "my head hurts"}]}
        answer = await client.post("/v1/chat/completions", json=body)
        login = await client.get("/console/login")
        (style,) = re.findall(r'href="(/console/static/[^"]+\.css)"', login.text) or [""]
        if (await client.get(style)).status_code != 200:
            sys.exit(f"smoke: the console's login answered {login.status_code} and has no style: {login.text}")
    if "healthcare/triage" not in models or answer.headers.get("x-postil-release") != "healthcare/triage@1":
        sys.exit(f"smoke: the models are {models}, and it answered {answer.status_code}: {answer.text}")


@asynccontextmanager
async def serving(environment: dict[str, str]) -> AsyncIterator[None]:
    """Run ``postil serve`` until the block ends; it has to be ready, and to end well on Ctrl-C."""
    process = await asyncio.create_subprocess_exec(POSTIL, "serve", env=environment)
    try:
        await wait_until_ready(process, environment["POSTIL_PORT"])
        yield
        process.send_signal(2)
        if await asyncio.wait_for(process.wait(), SECONDS):
            sys.exit(f"smoke: `postil serve` ended with status {process.returncode}")
    finally:
        if process.returncode is None:
            process.kill()


async def wait_until_ready(process: asyncio.subprocess.Process, port: str) -> None:
    """Return when the gateway is ready; exit if it ends, or takes too long."""
    async with asyncio.timeout(SECONDS), httpx.AsyncClient() as client:
        while process.returncode is None:
            try:
                if (await client.get(f"http://127.0.0.1:{port}/health/ready")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    sys.exit(f"smoke: `postil serve` ended with status {process.returncode}")


async def expect(environment: dict[str, str], status: int, says: str, *arguments: str) -> str:
    """Run a command that has to end with that status and to say that; returns what it said."""
    process = await asyncio.create_subprocess_exec(
        POSTIL, *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    text = " ".join(said.decode().split())
    if process.returncode != status or says not in text:
        sys.exit(f"smoke: `postil {' '.join(arguments)}` ended with status {process.returncode} and said: {text}")
    return said.decode()


def free_port() -> int:
    """Return a port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    asyncio.run(main())
