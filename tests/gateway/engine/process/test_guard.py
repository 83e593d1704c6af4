"""The engine that the gateway starts answers the gateway alone, also where another program can reach its socket."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import httpx
import psutil
import pytest
from pydantic import SecretStr

from postil.gateway.control.inside_keys import InsideKeys
from postil.gateway.engine.client import EngineClient, Health
from postil.gateway.engine.process import launch_args
from postil.gateway.engine.process.child import EngineProcess
from postil.gateway.engine.vllm_plugin.only_the_gateway import OnlyTheGateway
from postil.gateway.settings import Settings
from tests.support.paths import ROOT

# Of vLLM's own routes, those under /v1 and others that generate or tell.
PATHS = (
    "/v1/models",
    "/v1/load_lora_adapter",
    "/invocations",
    "/tokenize",
    "/metrics",
    "/health",
    "/ping",
    "//v1/models",
)


async def test_another_program_of_the_same_user_gets_nothing_from_the_engines_socket(tmp_path: Path) -> None:
    key = InsideKeys.of(Settings(home=tmp_path)).engine
    assert key is not None
    socket = tmp_path / "run" / "engine.sock"
    line = [sys.executable, "-m", "tests.fakes.engine_process", str(socket), ""]
    process = EngineProcess(
        *launch_args.guarded(line, {**os.environ, "PYTHONPATH": str(ROOT)}, key), socket, tmp_path / "engine.log"
    )
    client = EngineClient(f"unix:{socket}", timeout_seconds=5, api_key=key)
    await process.start()
    try:
        async with asyncio.timeout(30):
            while await client.health() is not Health.HEALTHY:
                pass
        wrong: list[dict[str, str]] = [{}, *({"authorization": each} for each in (f"Bearer {key}x", key, "Bearer"))]
        for given in wrong:
            transport = httpx.AsyncHTTPTransport(uds=str(socket))
            async with httpx.AsyncClient(transport=transport, base_url="http://engine", headers=given) as stranger:
                for path in PATHS:
                    for method in ("GET", "POST", "OPTIONS"):
                        assert (await stranger.request(method, path)).status_code == 401
        assert b"choices" in await client.post("/v1/completions", {"model": "base", "prompt": "x"})
        assert process.pid is not None
        assert key not in " ".join(psutil.Process(process.pid).cmdline())
    finally:
        await client.close()
        await process.stop()


def test_each_gateway_has_keys_of_its_own_that_are_not_shown(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    first, second = InsideKeys.of(settings), InsideKeys.of(settings)
    assert len({first.engine, second.engine, first.front, second.front}) == 4
    assert str(first.engine) not in repr(first)
    assert first.front not in repr(first)


def test_an_engine_of_somebody_elses_is_sent_the_key_of_the_settings_or_none(tmp_path: Path) -> None:
    theirs = Settings(home=tmp_path, engine_url="http://engine:8000")
    assert InsideKeys.of(theirs).engine is None
    assert InsideKeys.of(theirs.model_copy(update={"engine_api_key": SecretStr("s3cret")})).engine == "s3cret"


async def test_an_engine_without_a_key_does_not_start_and_nothing_but_http_is_let_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reached = []

    async def app(scope: object, receive: object, send: object) -> None:
        reached.append(scope)

    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    with pytest.raises(KeyError):
        OnlyTheGateway(app)
    monkeypatch.setenv("VLLM_API_KEY", "k")
    guard = OnlyTheGateway(app)
    told: list[object] = []

    async def send(message: object) -> None:
        told.append(message)

    headers = [(b"authorization", b"Bearer k")]
    for kind in ("lifespan", "http", "websocket"):
        await guard({"type": kind, "headers": headers}, None, send)
    await guard({"type": "http", "headers": headers * 2}, None, send)
    assert len(reached) == 2
