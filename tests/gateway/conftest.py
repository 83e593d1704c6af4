"""A whole gateway over a fake engine: real HTTP on both sides, a real registry underneath."""

from __future__ import annotations

import asyncio
import io
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from postil.gateway.control.jobs.trainer import TrainerCommand
from postil.gateway.control.runtime import Runtime
from postil.gateway.engine.supervisor import Phase
from postil.gateway.server.app import create_app
from postil.gateway.server.bootstrap import build
from postil.gateway.server.http_protocol import bounded
from postil.gateway.settings import Settings
from postil.plugins.discovery import Bounds
from postil.plugins.manager import PluginManager
from postil.registry.artifacts.archives.pack import pack
from tests.fakes.adapters import write_adapter, write_base
from tests.fakes.http import serving
from tests.fakes.vllm import FakeVLLM, running_engine
from tests.support.databases import prepare_home
from tests.support.plain_http import plain_client

TRIAGE = """
system_prompt: Sort the message.
sampling: {max_tokens: 32}
defaults: {temperature: 0}
output: {labels: [symptoms, appointment, billing]}
validators:
  - name: labels
  - name: confidence
    config: {minimum: 0.5}
fallback:
  - name: fixed_answer
    config: {content: '{"category": "needs_review"}'}
"""
FREE_TEXT = "system_prompt: Answer shortly."


@dataclass
class House:
    """A running gateway with what a test needs to speak to it and to look inside."""

    runtime: Runtime
    engine: FakeVLLM
    url: str
    client: httpx.AsyncClient
    folder: Path

    async def publish(self, adapter: str, policy: str | None = TRIAGE, *, seed: int = 0, live: bool = True) -> int:
        """Publish a good adapter (another ``seed``, other weights), make it live, and return its number."""
        source = write_adapter(self.folder / uuid.uuid4().hex, seed=seed)
        response = await self.upload(adapter, source, policy)
        assert response.status_code == 201, response.text
        number = int(response.json()["number"])
        if live:
            promoted = await self.admin("POST", f"/api/v1/adapters/{adapter}/promote", json={"release": number})
            assert promoted.status_code == 200, promoted.text
        return number

    def serves(self, adapter: str) -> bool:
        """Whether this gateway's catalog has a live release of the adapter. It may have heard of the adapter first."""
        entry = self.runtime.catalog.current.entries.get(adapter)
        return entry is not None and entry.live is not None

    async def upload(self, adapter: str, source: Path, policy: str | None = None) -> httpx.Response:
        """Publish a folder as the command does."""
        packed = io.BytesIO()
        pack(source, packed)
        packed.seek(0)
        data = {"note": "a test"} | ({"policy": policy} if policy is not None else {})
        return await self.admin(
            "POST", f"/api/v1/adapters/{adapter}/releases", data=data, files={"artifact": ("adapter.tar", packed)}
        )

    async def tenant(self, name: str, *domains: str, rights: Iterable[str] = ("base",)) -> str:
        """Add a tenant; returns its key."""
        body = {"name": name, "domains": list(domains), "rights": list(rights)}
        response = await self.admin("POST", "/api/v1/tenants", json=body)
        assert response.status_code == 201, response.text
        return str(response.json()["key"])

    async def admin(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """A call with the admin key."""
        return await self.client.request(method, path, headers=bearer(self.admin_key), **arguments)

    async def ask(self, key: str, text: str = "my head hurts", **body: Any) -> httpx.Response:
        """One chat completion."""
        body = {"messages": [{"role": "user", "content": text}], **body}
        return await self.client.post("/v1/chat/completions", headers=bearer(key), json=body)

    @property
    def admin_key(self) -> str:
        """The key that was made at first start."""
        return self.runtime.settings.admin_key_file.read_text().strip()


def bearer(key: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"Authorization": f"Bearer {key}"}


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that another task brings about; fail after half a minute."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running_house(
    folder: Path,
    engine: FakeVLLM,
    engine_url: str,
    plugins: Iterable[object] = (),
    *,
    installed: bool = False,
    bounds: Bounds | None = None,
    trainer: TrainerCommand | None = None,
    **settings: Any,
) -> AsyncIterator[House]:
    """A gateway with its data in ``folder``, ready to answer; with the plugins that are ``installed``, if told so."""
    base = folder / "base"
    if not base.exists():
        write_base(base)
    known = {
        "home": folder / "home",
        "base_model": str(base),
        "engine_url": engine_url,
        "tenant_concurrent_requests": 1024,
        **settings,
    }
    prepare_home(known["home"])
    loaded = PluginManager(plugins, entry_points=installed, folder=known.get("plugins_dir"), bounds=bounds)
    runtime = build(Settings(**known), loaded, trainer=trainer)
    app = create_app(runtime)
    door = bounded(runtime.settings.http_limits)
    async with serving(app, lifespan="on", http=door) as url, plain_client(url, timeout=30) as client:
        await until(lambda: runtime.engine.phase in (Phase.READY, Phase.FAILED))
        assert runtime.engine.phase is Phase.READY, runtime.registry.problem
        engine.requests.clear()
        yield House(runtime, engine, url, client, folder)


@pytest.fixture
async def engine_at() -> AsyncIterator[tuple[FakeVLLM, str]]:
    """A fake engine and its URL."""
    async with running_engine() as running:
        yield running


@pytest.fixture
async def house(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[House]:
    """A gateway over a fake engine, empty."""
    async with running_house(tmp_path, *engine_at) as running:
        yield running


@pytest.fixture
async def clinic(house: House) -> str:
    """A published, live ``healthcare/triage`` and the key of a tenant that may ask it."""
    await house.publish("healthcare/triage")
    return await house.tenant("clinic", "healthcare")
