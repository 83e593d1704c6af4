"""Liveness and readiness of the process."""

from __future__ import annotations

from importlib import metadata
from typing import Literal

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from msgspec import UNSET, UnsetType

from postil.gateway.control.engine_handle import EngineHandle
from postil.gateway.control.supervised import BackgroundTasks
from postil.gateway.control.traffic import Traffic
from postil.gateway.engine.supervisor import Phase


class Liveness(msgspec.Struct, kw_only=True):
    """The process is alive."""

    status: Literal["live"] = "live"


class Readiness(msgspec.Struct, kw_only=True):
    """Whether the gateway can answer: ``ready``, or the reason. ``failing`` names the background tasks that fail."""

    status: str
    failing: list[str] | UnsetType = UNSET


class Version(msgspec.Struct, kw_only=True):
    """Versions: ``version`` is vLLM's, as its own route has it, and null until the engine has said it."""

    version: str | None
    postil: str


_NOT_READY = ResponseSpec(Readiness, generate_examples=False, description="The gateway cannot answer now")


def health_routes(engine: EngineHandle, traffic: Traffic, tasks: BackgroundTasks) -> list[HTTPRouteHandler]:
    """Return the routes with which supervisors and load balancers, and tools for vLLM, see whether it is up.

    None of them needs a key, as with vLLM.
    """
    known = KnownVersion(engine)

    @get("/health/live", sync_to_thread=False)
    def live() -> Liveness:
        return Liveness()

    # vLLM's /health and SageMaker's /ping ask the same.
    @get(["/health/ready", "/health", "/ping"], sync_to_thread=False, responses={503: _NOT_READY})
    def ready() -> Response[Readiness]:
        status_code, content = readiness(engine, traffic, tasks)
        return Response(content, status_code=status_code)

    @get("/version")
    async def version() -> Version:
        return Version(version=await known.get(), postil=metadata.version("postil"))

    return [live, ready, version]


class KnownVersion:
    """The engine's version, asked of it once after each start."""

    def __init__(self, engine: EngineHandle) -> None:
        self._engine = engine
        self._asked_at = -1
        self._version: str | None = None

    async def get(self) -> str | None:
        """Return the version; the last one that is known while the engine is not ready."""
        engine = self._engine
        if engine.phase is Phase.READY and self._asked_at != engine.restarts:
            self._asked_at = engine.restarts
            self._version = await engine.client.version() or self._version
        return self._version


def readiness(engine: EngineHandle, traffic: Traffic, tasks: BackgroundTasks) -> tuple[int, Readiness]:
    """Return the HTTP status and the state; it is read in memory, from any thread."""
    status = _status(engine, traffic, tasks)
    return 200 if status == Phase.READY else 503, Readiness(status=status, failing=tasks.failing or UNSET)


def _status(engine: EngineHandle, traffic: Traffic, tasks: BackgroundTasks) -> str:
    """Return ``ready`` or the reason why not; a background task that keeps failing leaves work undone."""
    if traffic.draining:
        return "draining"
    if engine.phase is Phase.READY and tasks.broken:
        return "degraded"
    return str(engine.phase)
