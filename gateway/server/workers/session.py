"""The primary's side of one worker: what it asks is answered, and what it held is given back when it has ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from postil.gateway.control.reviews import ReviewNotKeptError
from postil.gateway.control.runtime import Gateway
from postil.gateway.engine.lease import Seat
from postil.gateway.errors import EngineUnavailableError, GatewayError
from postil.gateway.inference.record import End
from postil.gateway.ipc import Frames
from postil.gateway.server.workers import messages as said
from postil.gateway.tenancy.quota import Quota
from postil.plugins import ReleaseRef
from postil.registry.policy.policy import ReviewRules
from postil.registry.reviews.reviews import Opening

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The weights that a worker's request is for."""

    engine_name: str
    artifact: str
    ref: ReleaseRef


@dataclass(slots=True)
class Seen:
    """A worker's request, as the watch over releases sees it."""

    why: str
    ref: ReleaseRef
    arrival: Any = None
    failed_validation: bool = False
    engine_error: bool = False
    fell_back: bool = False
    seconds: float = 0.0
    end_of_it: End | None = None


class WorkerSession(asyncio.Protocol):
    """One worker, over its socket. ``known`` is the number of the last update that is in force with it.

    ``serves`` from when it was told to take requests, ``listens`` from when it does.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.known = self.sent = 0
        self.gone = self.serves = self.listens = False
        self._moved = asyncio.Event()
        self._gateway = gateway
        self._transport: asyncio.Transport
        self._frames = Frames()
        self._seats: dict[int, Seat] = {}
        self._waiting: dict[int, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._seen: dict[int, Seen] = {}
        # What was in force when each was let in is what it is counted out by.
        self._let_in: dict[int, Quota | None] = {}
        self._asked = 0
        self._does: Mapping[type, Callable[[Any], None]] = {
            said.Take: self._take,
            said.Leave: self._leave,
            said.Admit: self._admit,
            said.Left: self._left,
            said.Used: self._used,
            said.Spent: self._spent,
            said.Heard: self._heard,
            said.Done: self._done,
            said.Sick: self._sick,
            said.Lost: self._lost,
            said.Came: self._came,
            said.Ended: self._ended,
            said.Keep: self._keep,
            said.Sample: self._sample,
            said.Agreed: self._agreed,
            said.Known: self._knows,
        }

    @property
    def in_flight(self) -> int:
        """How many of its requests have a seat, or wait for one."""
        return len(self._seats) + len(self._waiting)

    def tell(self, number: int, frame: bytes) -> None:
        """Send an update, framed already."""
        self.sent = number
        self._transport.write(frame)

    async def caught_up(self, number: int) -> None:
        """Return when the update of this number is in force with it, or it has ended."""
        while not self.gone and self.known < number:
            self._moved.clear()
            await self._moved.wait()

    def close(self) -> None:
        """Hear and say no more."""
        self._transport.abort()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Do what is wanted."""
        for frame in self._frames.feed(data):
            word = said.words.decode(frame)
            try:
                self._does[type(word)](word)
            except Exception:  # What one request brought about is not to cost the worker all of its others.
                log.exception("what a worker said could not be done")

    def connection_lost(self, exc: Exception | None) -> None:
        """The worker has ended: nothing of what it held stays taken."""
        self.gone, self.listens = True, False
        self._moved.set()
        for task in self._waiting.values():
            task.cancel()
        for seat in self._seats.values():
            seat.leave()
        for _ in range(self._asked):
            self._gateway.client.pulse.done(well=False)
        for quota in self._let_in.values():
            self._gateway.left(quota)
        for seen in self._seen.values():
            seen.end_of_it = End.REFUSED
            self._gateway.monitor.ended(seen)

    # What a worker says.

    def _take(self, word: said.Take) -> None:
        weights = None
        if word.weights is not None:
            name, artifact, domain, adapter, number = word.weights
            weights = Wanted(name, artifact, ReleaseRef(domain, adapter, number))
        try:
            self._gateway.engine()  # Not ready: nobody has to wait for that.
            seat = self._gateway.seats.seat(word.tenant, weights, deadline=word.deadline, again=word.again)
            had = seat.at_once()
        except GatewayError as error:
            self._refuse(word.id, error, 0.0)
            return
        if had:
            self._has(word.id, seat)
        else:
            task = self._waiting[word.id] = asyncio.create_task(self._wait(word.id, seat))
            task.add_done_callback(lambda _: self._waiting.pop(word.id, None))

    async def _wait(self, number: int, seat: Seat) -> None:
        try:
            await seat.wait()
        except GatewayError as error:
            self._refuse(number, error, seat.waited)
        except Exception:
            log.exception("a worker's request could not be seated")
            self._refuse(number, EngineUnavailableError("the gateway failed on this request; its log says why"), 0.0)
        else:
            self._has(number, seat)

    def _has(self, number: int, seat: Seat) -> None:
        """It asks the engine now: there is nothing else to do with a seat."""
        self._seats[number] = seat
        self._asked += 1
        self._gateway.client.pulse.asked()
        self._say(said.Had(number, seat.waited))

    def _leave(self, word: said.Leave) -> None:
        seat = self._seats.pop(word.id, None)
        if seat is not None:
            seat.leave()
            if self._asked > len(self._seats):  # Its client has left before the engine was asked.
                self._done(said.Done(well=False))
        elif (task := self._waiting.get(word.id)) is not None:
            task.cancel()

    def _admit(self, word: said.Admit) -> None:
        quota = self._gateway.directory.quota(word.tenant)
        try:
            headers = self._gateway.limits.admit(quota)
        except GatewayError as error:
            self._refuse(word.id, error, 0.0)
            return
        self._let_in[word.id] = quota
        self._say(said.Admitted(word.id, headers))

    def _left(self, word: said.Left) -> None:
        if word.id in self._let_in:
            self._gateway.left(self._let_in.pop(word.id))

    def _used(self, word: said.Used) -> None:
        self._gateway.ledger.add(
            word.tenant, word.domain, word.adapter, word.number, word.kind, word.prompt, word.completion, word.unknown
        )

    def _spent(self, word: said.Spent) -> None:
        self._gateway.limits.spend(self._gateway.directory.quota(word.tenant), word.tokens)

    def _heard(self, word: said.Heard) -> None:
        self._gateway.client.pulse.heard()

    def _done(self, word: said.Done) -> None:
        self._asked -= 1
        self._gateway.client.pulse.done(well=word.well)

    def _sick(self, word: said.Sick) -> None:
        self._gateway.client.on_sick()

    def _lost(self, word: said.Lost) -> None:
        try:
            self._gateway.seats.lost(word.name)
        except EngineUnavailableError:
            pass  # A new engine begins with nothing.

    def _came(self, word: said.Came) -> None:
        seen = self._seen[word.id] = Seen(word.why, ReleaseRef(word.domain, word.adapter, word.number))
        self._gateway.monitor.came(seen)

    def _ended(self, word: said.Ended) -> None:
        seen = self._seen.pop(word.id)
        seen.failed_validation, seen.engine_error = word.failed_validation, word.engine_error
        seen.fell_back, seen.seconds, seen.end_of_it = word.fell_back, word.seconds, End(word.how)
        self._gateway.monitor.ended(seen)

    def _keep(self, word: said.Keep) -> None:
        task = asyncio.create_task(self._kept(word))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _kept(self, word: said.Keep) -> None:
        try:
            review = await self._gateway.reviews.open(*_opening(word.opening))
        except ReviewNotKeptError:
            self._say(said.Kept(word.id, None))
        else:
            self._say(said.Kept(word.id, review))

    def _sample(self, word: said.Sample) -> None:
        self._gateway.reviews.sample(*_opening(word.opening))

    def _agreed(self, word: said.Agreed) -> None:
        self._gateway.shadows.count(dict(word.counts))

    def _knows(self, word: said.Known) -> None:
        self.known = word.number
        self._moved.set()

    def _refuse(self, number: int, error: GatewayError, waited: float) -> None:
        self._say(said.Refused(number, type(error).__name__, str(error), error.retry_after, error.headers, waited))

    def _say(self, reply: said.Reply) -> None:
        if not self.gone:
            self._transport.write(said.packet(reply))


def _opening(sent: bytes) -> tuple[Opening, ReviewRules]:
    """A review to open, and what of its policy's rules it goes by."""
    opening = said.openings.decode(sent)
    return opening, ReviewRules(webhook=opening.webhook, assign_to=opening.assign_to)
