"""The keeper: starts the workers, tells them what changes, and starts another where one ends."""

from __future__ import annotations

import asyncio
import logging
import pickle
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from litestar.types import ASGIApp

from postil.gateway.catalog import Entry
from postil.gateway.crew import CrewError
from postil.gateway.lifecycle import Gateway
from postil.gateway.listening import listen_inside
from postil.gateway.workers.desk import Desk
from postil.gateway.workers.forward import believing, in_force
from postil.gateway.workers.messages import News, framed
from postil.gateway.workers.news import ADAPTERS, CALLERS, END, ENGINE, LEAVING, START, Start
from postil.gateway.workers.parcels import packed

log = logging.getLogger(__name__)
_MAIN = "postil.gateway.workers.main"
# One that has not taken a change over by then would answer by what was taken back.
_HEAR_SECONDS = 5.0
_START_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE, _LASTS = 0.1, 5.0, 30.0
# Beyond the time for draining.
_LAST_WORDS_SECONDS = 4.0


class Workers:
    """The crew of one gateway, behind one port; ``front`` is the socket at which the gateway itself answers."""

    def __init__(self, gateway: Gateway, address: tuple[str, int], front: Path) -> None:
        self._gateway = gateway
        self._address = address
        self._front = front
        self._numbers = 0
        self._desks: dict[Desk, Process] = {}
        # The releases of each adapter that all of them know.
        self._told: dict[str, frozenset[int]] = {}
        self._lives: list[asyncio.Task[None]] = []
        self._up: list[asyncio.Future[None]] = []
        self._ending = False

    @property
    def serving(self) -> int:
        """How many of them take requests now."""
        return sum(desk.serves and not desk.gone for desk in self._desks)

    @property
    def in_flight(self) -> int:
        """How many requests of theirs have a seat at the engine, or wait for one."""
        return sum(desk.in_flight for desk in self._desks)

    async def start(self) -> None:
        """Start them; return when they take requests. Raises CrewError if one does not come up."""
        loop = asyncio.get_running_loop()
        self._up = [loop.create_future() for _ in range(self._gateway.settings.workers)]
        self._lives = [loop.create_task(self._kept(number)) for number in range(len(self._up))]
        try:
            async with asyncio.timeout(_START_SECONDS):
                await asyncio.gather(*self._up)
        except TimeoutError:
            raise CrewError(f"the workers do not take requests after {_START_SECONDS:g} s") from None

    def hear_of(self, entries: Iterable[Entry], defaults: Mapping[str, str]) -> None:
        """Have adapters served like this."""
        parcels = []
        for entry in entries:
            name = str(entry.name)
            parcels.append(packed(entry, self._told.get(name, frozenset())))
            self._told[name] = frozenset(entry.releases)
        self._tell(ADAPTERS, (parcels, dict(defaults)))

    def hear_who_calls(self) -> None:
        """Have them know tenants and keys."""
        self._tell(CALLERS, self._gateway.directory)

    def hear_of_the_engine(self) -> None:
        """Have them know what the engine is doing."""
        self._tell(ENGINE, self._gateway.phase)

    def hear_of_leaving(self) -> None:
        """Have them close each connection with its next answer."""
        self._tell(LEAVING, None)

    async def caught_up(self) -> None:
        """Return when all that was told is in force with everybody; who does not hear is ended."""
        late = [(desk, desk.sent) for desk in self._desks if desk.known < desk.sent]
        if late:
            await asyncio.gather(*(self._caught_up(desk, number) for desk, number in late))

    async def leave(self) -> None:
        """Have them answer what they have, and end."""
        self._ending = True
        self._tell(END, None)
        if self._lives:
            most = self._gateway.settings.drain_seconds + _LAST_WORDS_SECONDS
            await asyncio.wait(self._lives, timeout=most)

    async def stop(self) -> None:
        """End them now."""
        self._ending = True
        for life in self._lives:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)

    async def _caught_up(self, desk: Desk, number: int) -> None:
        try:
            async with asyncio.timeout(_HEAR_SECONDS):
                await desk.caught_up(number)
        except TimeoutError:
            log.error("a worker has not taken a change over after %g s; it is ended", _HEAR_SECONDS)
            if (process := self._desks.get(desk)) is not None:
                process.kill()

    async def _kept(self, number: int) -> None:
        """One worker after the other."""
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            status = await self._life(self._up[number])
            if not self._up[number].done():
                self._up[number].set_exception(CrewError(f"a worker ended before it took requests (status {status})"))
                return
            if self._ending:
                return
            pause = _FIRST_PAUSE if time.monotonic() - began > _LASTS else min(2 * pause, _LONGEST_PAUSE)
            log.error("worker %d has ended (status %s); another is started", number + 1, status)
            await asyncio.sleep(pause)

    async def _life(self, up: asyncio.Future[None]) -> int:
        """A worker from its start to its end; its status."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", _MAIN, str(theirs.fileno()), pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the keeper, which tells the others.
            )
        loop, desk = asyncio.get_running_loop(), Desk(self._gateway)
        try:
            await loop.create_unix_connection(lambda: desk, sock=ours)
            self._greet(desk, process)
            serving = loop.create_task(self._serving(desk, up))
            try:
                return await process.wait()
            finally:
                serving.cancel()
        finally:
            self._desks.pop(desk, None)
            desk.close()
            if process.returncode is None:
                process.kill()
                await process.wait()

    def _greet(self, desk: Desk, process: Process) -> None:
        """All that there is to know, in one turn of the loop: what comes after that is told as news."""
        gateway = self._gateway
        self._desks[desk] = process
        news = (
            (ADAPTERS, ([packed(entry) for entry in gateway.catalog.entries.values()], dict(gateway.catalog.defaults))),
            (CALLERS, gateway.directory),
            (ENGINE, gateway.phase),
        )
        start = Start(gateway.settings, self._address, gateway.engine_address, str(self._front), len(news))
        for what, content in ((START, start), *news):
            desk.tell(*self._news(what, content))

    async def _serving(self, desk: Desk, up: asyncio.Future[None]) -> None:
        await desk.caught_up(desk.sent)
        desk.serves = not desk.gone
        if desk.serves and not up.done():
            up.set_result(None)

    def _tell(self, what: str, content: Any) -> None:
        if self._desks:
            news = self._news(what, content)
            for desk in self._desks:
                desk.tell(*news)

    def _news(self, what: str, content: Any) -> tuple[int, bytes]:
        self._numbers += 1
        return self._numbers, framed(News(self._numbers, what, pickle.dumps(content)))


def behind_workers(gateway: Gateway, app: ASGIApp, address: tuple[str, int]) -> tuple[ASGIApp, socket.socket]:
    """Give a gateway its workers at a reserved address; its own application, and the socket where that is served."""
    front = gateway.run_folder / "front.sock"
    gateway.crew = Workers(gateway, address, front)
    return believing(in_force(gateway.crew, app)), listen_inside(front)
