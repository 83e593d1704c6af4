"""Starts the primary's workers, sends them changes, and restarts them when they end."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from litestar.types import ASGIApp

from postil.gateway.control.inside_keys import InsideKeys
from postil.gateway.control.workers import Workers, WorkerStartError
from postil.gateway.inference.routing.catalog_holder import CatalogChange, CatalogHolder
from postil.gateway.plugin_host.sandbox import sandbox_of
from postil.gateway.server.sockets import listen_inside
from postil.gateway.server.workers.messages import Update, packet
from postil.gateway.server.workers.proxy import believing, in_force
from postil.gateway.server.workers.session import SessionParts, WorkerSession
from postil.gateway.server.workers.snapshots import snapshot
from postil.gateway.server.workers.updates import (
    ADAPTERS,
    CALLERS,
    DRAINING,
    END,
    ENGINE,
    LOOK,
    SERVE,
    START,
    Start,
    environment,
    without_secrets,
)
from postil.gateway.settings import Settings
from postil.plugins.manager import Found
from postil.registry.backoff import Backoff

log = logging.getLogger(__name__)
# The primary's socket in its run folder, for requests that a worker forwards.
FRONT = "front.sock"
_MAIN = "postil.gateway.server.workers.main"
# A worker that has not applied a change by then is stopped: it would serve the old state.
_HEAR_SECONDS = 5.0
# How often each worker is checked, and when a silent one counts as hung; the kernel keeps sending it clients.
_LOOK_SECONDS, _SILENT_SECONDS = 5.0, 10.0
_START_SECONDS = 60.0
_BACKOFF, _LASTS = Backoff(0.1, 5.0), 30.0
# Seconds after the drain timeout.
_LAST_WORDS_SECONDS = 4.0


class WorkerPool(Workers):
    """The workers of one gateway on one port; ``front`` is the socket at which the primary itself answers."""

    def __init__(
        self,
        settings: Settings,
        parts: SessionParts,
        catalog: CatalogHolder,
        engine_address: str,
        address: tuple[str, int],
        front: Path,
        plugins: Sequence[Found],
        keys: InsideKeys,
    ) -> None:
        self._settings = settings
        self._parts = parts
        self._catalog = catalog
        self._engine_address = engine_address
        self._address = address
        self._front = front
        self._plugins = plugins
        self._keys = keys
        self._numbers = 0
        self._sessions: dict[WorkerSession, Process] = {}
        # The releases of each adapter that all workers know.
        self._told: dict[str, frozenset[int]] = {}
        self._lives: list[asyncio.Task[None]] = []
        self._up: list[asyncio.Future[None]] = []
        self._ending = False

    @property
    def serving(self) -> int:
        """The number of workers that take requests now."""
        return sum(session.listens for session in self._sessions)

    @property
    def in_flight(self) -> int:
        """The number of their requests that hold or wait for an engine lease."""
        return sum(session.in_flight for session in self._sessions)

    async def start(self) -> None:
        """Start the workers; return when they take requests. Raises WorkerStartError if one does not start."""
        loop = asyncio.get_running_loop()
        self._up = [loop.create_future() for _ in range(self._settings.workers)]
        self._lives = [loop.create_task(self._kept(number)) for number in range(len(self._up))]
        try:
            async with asyncio.timeout(_START_SECONDS):
                await asyncio.gather(*self._up)
        except TimeoutError:
            raise WorkerStartError(f"the workers do not take requests after {_START_SECONDS:g} s") from None

    def tell_adapters(self, change: CatalogChange) -> None:
        """Send changed adapters to the workers."""
        taken = []
        for entry, _ in change.entries:
            name = str(entry.name)
            taken.append(snapshot(entry, self._told.get(name, frozenset())))
            self._told[name] = frozenset(entry.releases)
        self._tell(ADAPTERS, (taken, dict(change.defaults)))

    def tell_callers(self) -> None:
        """Send tenants and keys to the workers."""
        self._tell(CALLERS, self._parts.callers.current)

    def tell_engine(self) -> None:
        """Send the engine's phase to the workers, and when it should be ready."""
        self._tell(ENGINE, (self._parts.engine.phase, self._parts.engine.ready_by))

    def tell_draining(self) -> None:
        """Tell the workers to close each connection with its next answer."""
        self._tell(DRAINING, None)

    async def caught_up(self) -> None:
        """Return when every worker that takes requests has applied all updates; a silent one is stopped.

        A worker that is still starting takes requests only after it knows everything sent until then.
        """
        late = [(each, each.sent) for each in self._sessions if each.serves and each.known < each.sent]
        if late:
            await asyncio.gather(*(self._caught_up(session, number) for session, number in late))

    async def drain(self) -> None:
        """Let the workers finish their requests, then stop them."""
        self._ending = True
        self._tell(END, None)
        if self._lives:
            most = self._settings.drain_timeout_seconds + _LAST_WORDS_SECONDS
            await asyncio.wait(self._lives, timeout=most)

    async def stop(self) -> None:
        """Stop the workers at once."""
        self._ending = True
        for life in self._lives:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)

    async def _caught_up(self, session: WorkerSession, number: int, seconds: float = _HEAR_SECONDS) -> None:
        try:
            async with asyncio.timeout(seconds):
                await session.caught_up(number)
        except TimeoutError:
            log.error("a worker has not answered for %g s; it is ended", seconds)
            if (process := self._sessions.get(session)) is not None:
                process.kill()

    async def _look_after(self, session: WorkerSession) -> None:
        """Check a worker at intervals and stop it if it hangs, even when there are no changes to apply."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if session.gone or self._ending:
                return
            session.tell(*self._update(LOOK, None))
            await self._caught_up(session, session.sent, _SILENT_SECONDS)

    async def _kept(self, number: int) -> None:
        """Keep one worker running: start another each time one ends."""
        up, failures = self._up[number], 0
        while True:
            began = time.monotonic()
            ended = await self._life(up)
            if not up.done():
                up.set_exception(WorkerStartError(f"a worker ended before it took requests ({ended})"))
                return
            if self._ending:
                return
            failures = 1 if time.monotonic() - began > _LASTS else failures + 1
            log.error("worker %d has ended (%s); another is started", number + 1, ended)
            await asyncio.sleep(_BACKOFF.pause(failures))

    async def _life(self, up: asyncio.Future[None]) -> str:
        """Run a worker from start to end; return how it ended."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await _started(theirs.fileno())
            except OSError as error:  # For instance, the process limit is reached, which may pass.
                ours.close()
                return str(error)
        loop, session = asyncio.get_running_loop(), WorkerSession(self._parts)
        await loop.create_unix_connection(lambda: session, sock=ours)
        greeting = loop.create_task(self._greet(session, process, up))
        try:
            return f"status {await process.wait()}"
        finally:
            greeting.cancel()
            self._sessions.pop(session, None)
            session.close()
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _greet(self, session: WorkerSession, process: Process, up: asyncio.Future[None]) -> None:
        """Send a new worker the whole state; once it has applied that, let it take requests.

        After that, check it at intervals.
        """
        settings = without_secrets(self._settings)
        sandbox = sandbox_of(self._settings)
        at = self._address, self._engine_address, str(self._front)
        start = Start(settings, *at, self._keys, sandbox, self._plugins)
        catalog = self._catalog.current
        entries = [snapshot(entry) for entry in catalog.entries.values()]
        # In this same loop turn it starts to get all updates, so that none is missed.
        self._sessions[session] = process
        for what, content in (
            (START, start),
            (ADAPTERS, (entries, dict(catalog.defaults))),
            (CALLERS, self._parts.callers.current),
            (ENGINE, (self._parts.engine.phase, self._parts.engine.ready_by)),
        ):
            session.tell(*self._update(what, content))
        while session.known < session.sent and not session.gone:
            await session.caught_up(session.sent)
        session.serves = True
        session.tell(*self._update(SERVE, None))
        await session.caught_up(session.sent)
        session.listens = not session.gone
        if session.listens and not up.done():
            up.set_result(None)
        await self._look_after(session)

    def _tell(self, what: str, content: Any) -> None:
        if self._sessions:
            update = self._update(what, content)
            for session in self._sessions:
                session.tell(*update)

    def _update(self, what: str, content: Any) -> tuple[int, bytes]:
        self._numbers += 1
        return self._numbers, packet(Update(self._numbers, what, pickle.dumps(content)))


async def _started(channel: int) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        _MAIN,
        str(channel),
        pass_fds=(channel,),
        stdin=asyncio.subprocess.DEVNULL,
        env=environment(os.environ),
        start_new_session=True,  # Only the primary handles Ctrl-C; it stops the workers.
    )


def behind_workers(pool: Workers, app: ASGIApp, run_folder: Path, key: str) -> tuple[ASGIApp, socket.socket]:
    """Return the primary's application for its workers, and the socket where it is served."""
    return believing(in_force(pool, app), key), listen_inside(run_folder / FRONT)
