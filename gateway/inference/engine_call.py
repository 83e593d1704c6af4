"""The way of one request to the engine: a seat there, the question, and its count."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from postil.gateway.engine.lease import Seat, Seats
from postil.gateway.errors import DeadlinePassedError, EngineUnavailableError, QueueFullError
from postil.gateway.inference.metering import Meter, Metered
from postil.gateway.inference.record import Trace
from postil.gateway.inference.request import Ask, several
from postil.gateway.inference.routing.release import Servable
from postil.gateway.tenancy.directory import Caller
from postil.registry.accounts.usage import AGAIN, ANSWER


class Access:
    """Asks the engine for one caller, who has to have a seat each time. ``release`` is None for the base.

    A seat is held as long as the engine works, and not while an answer is judged: who asks again waits anew, ahead of
    its tenant's others. So nobody ever waits for a second seat with one in hand.
    """

    __slots__ = ("_ask", "_caller", "_meter", "_seats", "_trace", "client")

    def __init__(self, seats: Seats, meter: Meter, caller: Caller, ask: Ask, trace: Trace | None = None) -> None:
        """Raises EngineUnavailableError while there is no engine."""
        self.client = seats.client
        self._seats = seats
        self._meter = meter
        self._caller = caller
        self._ask = ask
        self._trace = trace

    async def post(self, release: Servable | None, request: Mapping[str, Any], *, again: bool = False) -> bytes:
        """The whole answer. Raises as EngineClient.post does; NotLoadedError, QueueFullError, DeadlinePassedError."""
        seat = await self._seat(release, again=again)
        try:
            return await self._metered(release, AGAIN if again else ANSWER).post(self._ask.kind.value, request)
        finally:
            seat.leave()

    async def again(self, release: Servable | None, request: Mapping[str, Any]) -> bytes:
        """The whole answer to a request that had one before. Raises EngineUnavailableError if it has no turn, too."""
        try:
            return await self.post(release, request, again=True)
        except (QueueFullError, DeadlinePassedError) as error:
            raise EngineUnavailableError(str(error)) from error

    async def stream(
        self, release: Servable | None, request: Mapping[str, Any], open_streams: AsyncExitStack
    ) -> tuple[AsyncIterator[bytes], Callable[[], Awaitable[None]]]:
        """The answer as it comes, and what ends it before its time; at the latest ``open_streams`` does. Raises as
        ``post`` does.
        """
        async with AsyncExitStack() as engine:
            engine.callback((await self._seat(release, again=False)).leave)
            metered = self._metered(release, ANSWER)
            chunks = await engine.enter_async_context(metered.stream(self._ask.kind.value, request, several(self._ask)))
            kept = engine.pop_all()
        open_streams.push_async_exit(kept)
        return chunks, kept.aclose

    def _metered(self, release: Servable | None, kind: str) -> Metered:
        return self._meter.on(self.client, self._caller, release.ref if release else None, kind)

    def lost(self, release: Servable) -> None:
        """The engine does not know a release that it was thought to hold."""
        self._seats.lost(release.engine_name)

    async def _seat(self, release: Servable | None, *, again: bool) -> Seat:
        """A seat that is had. A client's deadline is for its first: what a policy asks again is not refused for that.

        Waiting is no fault of the release: it does not make its answers slow ones.
        """
        deadline = None if again else self._ask.deadline
        seat = self._seats.seat(self._caller.name, release, deadline=deadline, again=again)
        if not seat.at_once():
            try:
                await seat.wait()
            finally:
                if self._trace is not None:
                    self._trace.waited += seat.waited
        return seat
