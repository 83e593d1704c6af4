"""A gateway that notes when a request reaches each seam: ``python -m tests.benchmarks.phases_gateway``.

It is the product's own, with subclasses and stand-ins where it takes whatever it is given: nothing in the product knows
of being watched. ``GET /marks`` gives what was noted since it was last asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from time import perf_counter
from typing import Any, cast

import msgspec
import uvicorn
from litestar.types import ASGIApp, Receive, Scope, Send

from postil.gateway.control.runtime import Runtime
from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.scheduler.scheduler import Permit, Scheduler, make_scheduler
from postil.gateway.inference.routing.catalog import AdapterEntry
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.inference.routing.release import LoadedRelease
from postil.gateway.server.app import create_app
from postil.gateway.server.bootstrap import build
from postil.gateway.server.http_protocol import bounded
from postil.gateway.settings import Settings
from postil.plugins.manager import PluginManager
from tests.fakes.http import respond

Marks = dict[str, float]


class Watch:
    """When each request under way was where; ``done`` are those that were answered by the engine, in milliseconds."""

    def __init__(self) -> None:
        self.done: list[Marks] = []
        self._marks: ContextVar[Marks | None] = ContextVar("marks", default=None)

    def begin(self) -> None:
        """A request has come, in this task."""
        self._marks.set({"came": perf_counter(), "checked": 0.0, "judged": 0.0})

    def mark(self, what: str) -> None:
        """It is at a seam now. What no request is behind, such as a warm-up, counts for nothing."""
        if (marks := self._marks.get()) is not None:
            marks[what] = perf_counter()

    def judging(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A validator's or an input check's function, whose time counts to the request."""

        def judged(*given: Any) -> Any:
            began, marks = perf_counter(), self._marks.get()
            try:
                return function(*given)
            finally:
                if marks is not None:
                    marks["judged" if "asked" in marks else "checked"] += perf_counter() - began

        return judged

    def end(self) -> None:
        """The request has its answer."""
        marks, now = self._marks.get(), perf_counter()
        if marks is not None and "answered" in marks:
            self.done.append({name: 1000 * value for name, value in _phases(marks, now).items()})


def _phases(marks: Marks, ended: float) -> Marks:
    """Seconds of each phase; they add up to the request's."""
    return {
        "gateway in": marks["wants"] - marks["came"] + marks["asked"] - marks["goes"] - marks["checked"],
        "queue": marks["goes"] - marks["wants"],
        "engine": marks["answered"] - marks["asked"],
        "validators": marks["checked"] + marks["judged"],
        "gateway out": ended - marks["answered"] - marks["judged"],
    }


class WatchedClient(EngineClient):
    """Notes when the engine is asked, and when the last of its answer came."""

    def __init__(self, address: str, timeout_seconds: float, watch: Watch) -> None:
        super().__init__(address, timeout_seconds=timeout_seconds)
        self._watch = watch

    async def post(self, path: str, payload: Mapping[str, Any]) -> bytes:
        self._watch.mark("asked")
        body = await super().post(path, payload)
        self._watch.mark("answered")
        return body

    @asynccontextmanager
    async def stream(
        self, path: str, payload: Mapping[str, Any], on_end: Callable[[], None] = lambda: None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        self._watch.mark("asked")
        async with super().stream(path, payload, on_end) as chunks:
            yield self._noted(chunks)

    async def _noted(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self._watch.mark("answered")
            yield chunk


class WatchedPermit:
    """A place at the engine: notes when it is wanted and when it is there."""

    def __init__(self, place: Permit, watch: Watch) -> None:
        self._place = place
        self._watch = watch

    def try_acquire(self) -> bool:
        self._watch.mark("wants")
        had = self._place.try_acquire()
        if had:
            self._watch.mark("goes")
        return had

    async def wait(self) -> None:
        await self._place.wait()
        self._watch.mark("goes")

    def release(self) -> None:
        self._place.release()


class WatchedScheduler(Scheduler):
    """Gives out such places."""

    def __init__(self, like: Scheduler, settings: Settings, watch: Watch) -> None:
        super().__init__(like.queue, settings.queue_timeout_seconds)
        self._watch = watch

    def reserve(self, *given: Any, **more: Any) -> Permit:
        return cast(Permit, WatchedPermit(super().reserve(*given, **more), self._watch))


class WatchedComponent:
    """A validator or an input check whose time is counted."""

    def __init__(self, component: object, watch: Watch) -> None:
        self._component = component
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._component, name)
        return self._watch.judging(found) if name in ("judge", "check") else found


class WatchedCatalog(CatalogHolder):
    """Has the components of every release watched."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def fill(self, entries: Sequence[AdapterEntry], defaults: Mapping[str, str]) -> None:
        super().fill([self._watched_entry(entry) for entry in entries], defaults)

    def swap(self, entry: AdapterEntry, defaults: Mapping[str, str], as_of: int | None = None) -> None:
        super().swap(self._watched_entry(entry), defaults, as_of)

    def _watched_entry(self, entry: AdapterEntry) -> AdapterEntry:
        return replace(entry, releases={number: self._watched(one) for number, one in entry.releases.items()})

    def _watched(self, release: LoadedRelease) -> LoadedRelease:
        def all_of(uses: Sequence[tuple[Any, Any]]) -> Sequence[tuple[Any, Any]]:
            return [
                (use, one if isinstance(one, WatchedComponent) else WatchedComponent(one, self._watch))
                for use, one in uses
            ]

        return replace(release, inputs=all_of(release.inputs), validators=all_of(release.validators))


def watched_runtime(settings: Settings, watch: Watch) -> Runtime:
    """A gateway with all of these in their places."""
    assert settings.engine_url, "it watches an engine that somebody else has started"
    return build(
        settings,
        PluginManager(),
        client=WatchedClient(settings.engine_url, settings.engine_timeout_seconds, watch),
        scheduler=WatchedScheduler(make_scheduler(settings), settings, watch),
        catalog=WatchedCatalog(watch),
    )


def watched(app: ASGIApp, watch: Watch) -> ASGIApp:
    """An application whose completions are watched from their first line to their last byte."""

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path == "/marks":
            body, watch.done = msgspec.json.encode(watch.done), []
            await respond(cast(Any, send), 200, body)
        elif path.endswith("/completions"):
            watch.begin()
            await app(scope, receive, send)
            watch.end()
        else:
            await app(scope, receive, send)

    return handler


def main() -> None:
    """Serve until ended, with the settings of the environment."""
    settings, watch = Settings(), Watch()
    app = watched(create_app(watched_runtime(settings, watch)), watch)
    uvicorn.run(
        app,
        port=settings.port,
        http=bounded(settings.http_limits),
        log_level="critical",
        lifespan="on",
        ws="none",
        loop="uvloop",
        server_header=False,
        date_header=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    main()
