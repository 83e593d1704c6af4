"""The way of one request to the engine: a place there, the weights, the question."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from postil.gateway.admission.gate import Admission, Place
from postil.gateway.catalog import Servable
from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.residency import LoadError, Residency
from postil.gateway.errors import DeadlinePassedError, EngineUnavailableError, QueueFullError
from postil.gateway.limits.metered import Meter, Metered
from postil.gateway.payload import Ask, several
from postil.gateway.tenants import Caller
from postil.gateway.trace import Trace
from postil.registry.usage import AGAIN, ANSWER


class NotLoadedError(EngineUnavailableError):
    """The weights cannot be loaded; nothing was asked."""


class Access:
    """Asks the engine for one caller, whose turn it waits for each time. ``release`` is None for the base.

    A place is held as long as the engine works, and not while an answer is judged: who asks again waits anew, ahead of
    its tenant's others. So nobody ever waits for a second place with one in hand.
    """

    __slots__ = ("_admission", "_ask", "_caller", "_engine", "_meter", "_residency", "_trace", "client")

    def __init__(
        self, engine: Callable[[], tuple[EngineClient, Residency]], admission: Admission, meter: Meter, caller: Caller,
        ask: Ask, trace: Trace | None = None,
    ) -> None:
        """``engine`` raises EngineUnavailableError while it is not ready; it is asked now, and after each wait."""
        self._engine = engine
        self.client, self._residency = engine()
        self._admission = admission
        self._meter = meter
        self._caller = caller
        self._ask = ask
        self._trace = trace

    async def post(self, release: Servable | None, request: Mapping[str, Any], *, again: bool = False) -> bytes:
        """The whole answer. Raises as EngineClient.post does; NotLoadedError, QueueFullError, DeadlinePassedError."""
        async with self._place(release, again=again) as waited:
            self._waited(waited)
            if release is not None:
                await self._resident(release)
            return await self._metered(release, AGAIN if again else ANSWER).post(self._ask.kind.value, request)

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
            self._waited(await engine.enter_async_context(self._place(release)))
            if release is not None:
                await self._resident(release)
            metered = self._metered(release, ANSWER)
            chunks = await engine.enter_async_context(
                metered.stream(self._ask.kind.value, request, several(self._ask))
            )
            kept = engine.pop_all()
        open_streams.push_async_exit(kept)
        return chunks, kept.aclose

    def _metered(self, release: Servable | None, kind: str) -> Metered:
        return self._meter.on(self.client, self._caller, release.ref if release else None, kind)

    def lost(self, release: Servable) -> None:
        """The engine does not know a release that it was thought to hold."""
        self._residency.forget(release.engine_name)

    def _place(self, release: Servable | None, *, again: bool = False) -> Place:
        """A client's deadline is for its first turn: what a policy asks again is not refused for that."""
        deadline = None if again else self._ask.deadline
        if release is None:
            return self._admission.place(self._caller.name, None, deadline=deadline, again=again)
        meanwhile = partial(self._residency.prefetch, release.engine_name, release.artifact, release.ref.domain)
        return self._admission.place(
            self._caller.name, release.engine_name, deadline=deadline, again=again, meanwhile=meanwhile
        )

    def _waited(self, seconds: float) -> None:
        """Waiting is no fault of the release: it does not make its answers slow ones.

        What has waited may find that the engine was given up meanwhile. Raises EngineUnavailableError.
        """
        if not seconds:
            return
        if self._trace is not None:
            self._trace.waited += seconds
        self._engine()

    async def _resident(self, release: Servable) -> None:
        try:
            await self._residency.ensure(release.engine_name, release.artifact, release.ref.domain)
        except LoadError as error:
            raise NotLoadedError(f"{release.ref} cannot be loaded now") from error
        except EngineUnavailableError as error:
            raise NotLoadedError(str(error)) from error
