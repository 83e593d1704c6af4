"""Sends one request to the engine: takes a lease, asks, and counts the tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from postil.gateway.engine.lease import EngineLease, LeaseProvider
from postil.gateway.errors import DeadlinePassedError, EngineUnavailableError, QueueFullError
from postil.gateway.inference.cost import choices_per_prompt, sequences
from postil.gateway.inference.metering import MeteredEngine, UsageMeter
from postil.gateway.inference.record import RequestRecord
from postil.gateway.inference.request import CompletionRequest
from postil.gateway.inference.routing.release import LoadedRelease
from postil.gateway.tenancy.directory import Caller
from postil.registry.accounts.usage import ANSWER, RETRY


class EngineCall:
    """Asks the engine for one caller, under a lease each time. ``release`` is None for the base.

    A lease is held while the engine works, not while an answer is judged. A retry waits for a new one, ahead of its
    tenant's others, so that no request ever waits for a second lease while it holds one.
    """

    __slots__ = ("_ask", "_caller", "_leases", "_meter", "_record", "client", "on_leased")

    def __init__(
        self,
        leases: LeaseProvider,
        meter: UsageMeter,
        caller: Caller,
        ask: CompletionRequest,
        record: RequestRecord | None = None,
    ) -> None:
        """Raises EngineUnavailableError while there is no engine."""
        self.client = leases.client
        self._leases = leases
        self._meter = meter
        self._caller = caller
        self._ask = ask
        self._record = record
        # Called whenever the engine begins to work on a whole answer.
        self.on_leased: Callable[[], None] | None = None

    async def post(self, release: LoadedRelease | None, request: Mapping[str, Any], *, retry: bool = False) -> bytes:
        """The whole answer. Raises as EngineClient.post does; NotLoadedError, QueueFullError, DeadlinePassedError."""
        lease = await self._lease(release, request, retry=retry)
        try:
            if self.on_leased is not None:
                self.on_leased()
            return await self._metered(release, RETRY if retry else ANSWER).post(self._ask.kind.value, request)
        finally:
            lease.release()

    async def retry(self, release: LoadedRelease | None, request: Mapping[str, Any]) -> bytes:
        """The whole answer to a retry. Raises EngineUnavailableError, also if the queue refuses it."""
        try:
            return await self.post(release, request, retry=True)
        except (QueueFullError, DeadlinePassedError) as error:
            raise EngineUnavailableError(str(error)) from error

    async def stream(
        self, release: LoadedRelease | None, request: Mapping[str, Any], open_streams: AsyncExitStack
    ) -> tuple[AsyncIterator[bytes], Callable[[], Awaitable[None]]]:
        """The answer as it comes, and what ends it before its time; at the latest ``open_streams`` does. Raises as
        ``post`` does.

        The lease ends with the engine's answer: a client that reads it slowly holds no slot.
        """
        async with AsyncExitStack() as engine:
            release_once = _once((await self._lease(release, request, retry=False)).release)
            engine.callback(release_once)
            metered = self._metered(release, ANSWER)
            chunks = await engine.enter_async_context(
                metered.stream(self._ask.kind.value, request, choices_per_prompt(self._ask), release_once)
            )
            connection = engine.pop_all()
        open_streams.push_async_exit(connection)
        return chunks, connection.aclose

    def _metered(self, release: LoadedRelease | None, kind: str) -> MeteredEngine:
        return self._meter.on(self.client, self._caller, release.ref if release else None, kind)

    def adapter_lost(self, release: LoadedRelease) -> None:
        """Note that the engine does not have a release loaded after all."""
        self._leases.adapter_lost(release.engine_name)

    async def _lease(self, release: LoadedRelease | None, request: Mapping[str, Any], *, retry: bool) -> EngineLease:
        """An acquired lease. A client's deadline applies to its first only: a policy's retry is not refused for it.

        Waiting is no fault of the release: it does not make its answers slow ones.
        """
        deadline = None if retry else self._ask.deadline
        cost = sequences(self._ask.kind, request)
        lease = self._leases.lease(self._caller.name, release, cost, deadline=deadline, retry=retry)
        if not lease.try_acquire():
            try:
                await lease.wait()
            finally:
                if self._record is not None:
                    self._record.waited += lease.waited
        return lease


def _once(act: Callable[[], None]) -> Callable[[], None]:
    """Return a function that calls ``act`` the first time only."""
    left = [act]

    def done() -> None:
        if left:
            left.pop()()

    return done
