"""The gateway's side of one process of installed plugins."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from itertools import count
from typing import Protocol

import msgspec

from postil.gateway.ipc import FrameError
from postil.gateway.plugin_host import protocol as wire
from postil.gateway.plugin_host.components import LoadedComponent, LoadedComponents
from postil.gateway.plugin_host.pending import PendingCall
from postil.gateway.plugin_host.spawn import Spawned

log = logging.getLogger(__name__)
Spawn = Callable[[], Spawned]
_START_SECONDS = 60.0
_BUILD_SECONDS = 60.0
# So long after its deadline a call that has not come back is taken to be stuck.
_LATE_SECONDS = 1.0
_EXPECTED = {"fallback rule": "a substitute", "router": "the name of a model or Undecided", "listener": "nothing"}


class ProcessEndedError(Exception):
    """The process ended, or could not be started."""


class Watcher(Protocol):
    """The owner of a process, told when it ends or hangs."""

    def ended(self, process: PluginProcess) -> None:
        """The process has ended, and its calls have failed."""

    def stuck(self, process: PluginProcess, *, deaf: bool) -> None:
        """A call did not return. ``deaf``: the process answers no ping either."""


class PluginProcess(asyncio.Protocol):
    """One process, from its start to its end. Made and used in one loop."""

    def __init__(self, watcher: Watcher, label: str) -> None:
        self._watcher = watcher
        self._label = label
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.Transport | None = None
        self._frames = wire.reply_frames()
        self._ids = count(1)
        self._places = LoadedComponents()
        self._builds: dict[int, tuple[LoadedComponent, asyncio.TimerHandle]] = {}
        # Calls that wait for a component; that were sent; and the ids of those that nobody waits for any more, with the
        # time at which they were given up. The last are touched when they come, and when they are answered.
        self._parked: dict[PendingCall, LoadedComponent] = {}
        self._sent: dict[int, PendingCall] = {}
        self._late: dict[int, float] = {}
        self._heard_at = 0.0
        self._retired = False
        self._killed = False
        loop = asyncio.get_running_loop()
        self._up: asyncio.Future[None] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()
        self.status: int | None = None

    @property
    def late(self) -> int:
        """How many calls are past their deadline and still run."""
        return len(self._late)

    @property
    def unsent(self) -> int:
        """How many bytes are not sent yet."""
        return self._transport.get_write_buffer_size() if self._transport else 0

    @property
    def ready(self) -> list[wire.ComponentSpec]:
        """The components that are set up."""
        return self._places.ready()

    @property
    def pid(self) -> int | None:
        """The process id, once it was started."""
        return self._process.pid if self._process else None

    async def start(self, starter: Executor, spawn: Spawn) -> None:
        """Start the process, and return when it is up. Raises ProcessEndedError."""
        loop = asyncio.get_running_loop()
        try:
            spawned = await loop.run_in_executor(starter, spawn)
        except OSError as error:
            raise ProcessEndedError(f"it cannot be started: {error.strerror}") from error
        self._process = spawned.process
        loop.add_reader(spawned.ended, self._exited, spawned.ended)
        if self._killed:
            self.kill()
        self._transport, _ = await loop.create_unix_connection(lambda: self, sock=spawned.channel)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._up
        except TimeoutError:
            self.kill()
            raise ProcessEndedError(f"it was not up after {_START_SECONDS:.0f} s") from None

    def begin(self, components: Iterable[wire.ComponentSpec]) -> list[asyncio.Future[bool]]:
        """Start setting components up. Each result says whether it worked."""
        return [self._place(needed).known for needed in components]

    async def prepare(self, components: Iterable[wire.ComponentSpec]) -> None:
        """Set components up; returns when each is ready or has failed."""
        wanted = self.begin(components)
        if wanted:
            await asyncio.wait(wanted)

    def take(self, call: PendingCall) -> None:
        """Send a call to the process."""
        call.holder = self
        place = self._place(call.needed)
        if place.ready:
            self._send(call, place)
        elif place.unfit:
            call.fail("could not be set up")
        else:
            self._parked[call] = place

    def retire(self) -> list[PendingCall]:
        """Take no more calls, and end after those in progress. Returns the calls that were not sent."""
        self._retired = True
        unsent = list(self._parked)
        self._parked.clear()
        self._end_if_idle()
        return unsent

    def kill(self) -> None:
        """Kill the process and everything it started."""
        self._killed = True
        if self._process is not None and not self.gone.done():
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def expired(self, call: PendingCall) -> str:
        """Give up a call to this process; one that was sent may still run."""
        if call.id is None:
            self._parked.pop(call, None)
            return "waited to be set up for"
        self._sent.pop(call.id, None)
        self._given_up(call.id)
        return "took"

    def connection_lost(self, error: Exception | None) -> None:
        """Handle the end of the connection: the process has ended, or a plugin closed it."""
        self.kill()

    def data_received(self, data: bytes) -> None:
        """Read replies of the process."""
        self._heard_at = time.monotonic()
        try:
            for body in self._frames.feed(data):
                self._heard(wire.read_reply(body))
        except (FrameError, msgspec.MsgspecError, RecursionError, UnicodeError, KeyError) as error:
            log.warning("%s is ended: it said what makes no sense (%r)", self._label, error)
            self.kill()

    def _place(self, needed: wire.ComponentSpec) -> LoadedComponent:
        """The entry of a component; set up first if there is none."""
        found = self._places.get(needed)
        if found is not None:
            return found
        place = self._places.add(needed)
        for dropped in self._places.surplus():
            self._say(wire.Drop(dropped.number))
        number = next(self._ids)
        timer = asyncio.get_running_loop().call_later(_BUILD_SECONDS, self._build_expired, number)
        self._builds[number] = place, timer
        self._say(wire.Prepare(number, place.number, needed))
        return place

    def _send(self, call: PendingCall, place: LoadedComponent) -> None:
        call.id = next(self._ids)
        self._sent[call.id] = call
        self._say(wire.CallMethod(call.id, place.number, call.method, call.arguments, call.due))

    def _say(self, message: wire.Message) -> None:
        if self._transport is not None:
            self._transport.write(wire.message(message))

    def _heard(self, reply: wire.Reply) -> None:
        if reply.what == wire.HELLO and not self._up.done():
            self._up.set_result(None)
        elif reply.what in (wire.HELLO, wire.PONG):
            pass
        elif reply.id in self._late:
            del self._late[reply.id]
        elif reply.id in self._builds:
            self._built(*self._builds.pop(reply.id), reply)
        else:
            _settle(self._sent[reply.id], reply)
            del self._sent[reply.id]
            self._end_if_idle()

    def _built(self, place: LoadedComponent, timer: asyncio.TimerHandle, reply: wire.Reply) -> None:
        timer.cancel()
        if reply.what != wire.READY:
            log.warning("%s cannot set up %s: %s", self._label, place.needed.name, wire.text(reply))
        self._now_known(place, ready=reply.what == wire.READY)

    def _now_known(self, place: LoadedComponent, *, ready: bool) -> None:
        place.settle(ready)
        for call in [call for call, waits_for in self._parked.items() if waits_for is place]:
            del self._parked[call]
            if ready:
                self._send(call, place)
            else:
                call.fail("could not be set up")

    def _build_expired(self, number: int) -> None:
        place, _ = self._builds.pop(number)
        log.warning("%s: %s was not set up after %.0f s", self._label, place.needed.name, _BUILD_SECONDS)
        self._given_up(number)
        self._now_known(place, ready=False)

    def _given_up(self, number: int) -> None:
        """Keep a late call, and check later whether it has returned; one timer for all of them."""
        if self.gone.done() or self._retired:
            self._end_if_idle()
            return
        if not self._late:
            self._say(wire.Ping())
            asyncio.get_running_loop().call_later(_LATE_SECONDS, self._look)
        self._late[number] = time.monotonic()

    def _look(self) -> None:
        if not self._late or self._retired or self.gone.done():
            return
        oldest = next(iter(self._late.values()))
        left = oldest + _LATE_SECONDS - time.monotonic()
        if left > 0:
            self._say(wire.Ping())
            asyncio.get_running_loop().call_later(left, self._look)
        else:
            self._watcher.stuck(self, deaf=self._heard_at < oldest)

    def _end_if_idle(self) -> None:
        if self._retired and not self._sent:
            self.kill()

    def _exited(self, ended: int) -> None:
        """Fail everything that waits for a process that has ended."""
        assert self._process is not None, "it was started"
        asyncio.get_running_loop().remove_reader(ended)
        os.close(ended)
        self.kill()
        self.status = self._process.wait()
        self.gone.set_result(None)
        if self._transport is not None:
            self._transport.abort()
        if not self._up.done():
            self._up.set_exception(ProcessEndedError(f"it ended at once (status {self.status})"))
        for call in [*self._sent.values(), *self._parked]:
            call.fail("was cut off: its process ended")
        for place, timer in self._builds.values():
            timer.cancel()
            place.settle(ready=False)
        self._sent, self._parked, self._builds, self._late = {}, {}, {}, {}
        self._watcher.ended(self)


def _settle(call: PendingCall, reply: wire.Reply) -> None:
    """End a call with its reply. Raises MsgspecError or KeyError if the reply cannot be read."""
    if reply.what == wire.RAISED:
        call.fail(f"raised {_name(reply)}")
    elif reply.what == wire.LATE:
        call.fail(f"took longer than {call.seconds * 1000:.0f} ms")
    elif reply.what == wire.RUBBISH:
        call.fail(f"returned {_name(reply)}, not {_EXPECTED.get(call.needed.kind, 'a Verdict')}")
    elif reply.what == wire.UNREADABLE:
        call.fail(f"returned a {_name(reply)} that cannot be read")
    elif reply.what == wire.LONG:
        call.fail(f"returned more than {wire.ANSWER_BYTES // 1024} KiB")
    else:
        try:
            call.settle(wire.value(reply))
        except msgspec.ValidationError:
            call.fail(f"returned a {reply.what} that cannot be read")


def _name(reply: wire.Reply) -> str:
    """The name of a type, as the plugins' process reports it."""
    name = wire.text(reply)
    return name if name.isidentifier() and len(name) <= 60 else "something"
