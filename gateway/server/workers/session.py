"""The primary's side of one worker: handles its messages, and releases what it held when it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from postil.gateway.control.analysis.monitor import Monitor
from postil.gateway.control.engine_handle import EngineHandle
from postil.gateway.control.reviews import Reviews
from postil.gateway.engine.lease import EngineLease, LeaseProvider
from postil.gateway.errors import EngineUnavailableError, GatewayError
from postil.gateway.inference.ports import ReviewNotKeptError
from postil.gateway.inference.record import RequestOutcome
from postil.gateway.inference.shadow import Shadows
from postil.gateway.ipc import Frames
from postil.gateway.server.workers import messages as said
from postil.gateway.server.workers.reported import PendingRequest, Seen
from postil.gateway.telemetry.sums import Sums
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.denied_attempts import DeniedAttempt, DeniedSink
from postil.gateway.tenancy.quota import Quota
from postil.gateway.tenancy.rate_limiter import RateLimiter
from postil.gateway.tenancy.usage_ledger import UsageLedger
from postil.plugins import ReleaseRef
from postil.registry.policy.policy import ReviewRules
from postil.registry.reviews.reviews import ReviewRequest

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SessionParts:
    """The parts of the primary that a worker may use."""

    engine: EngineHandle
    leases: LeaseProvider
    callers: Callers
    limits: RateLimiter
    ledger: UsageLedger
    monitor: Monitor
    reviews: Reviews
    shadows: Shadows
    denied: DeniedSink
    sums: Sums


class WorkerSession(asyncio.Protocol):
    """One worker on its socket. ``known`` is the number of the last update that it has applied.

    ``serves`` is set when it is told to take requests, ``listens`` when it takes them.
    """

    def __init__(self, parts: SessionParts) -> None:
        self.known = self.sent = 0
        self.gone = self.serves = self.listens = False
        self._moved = asyncio.Event()
        self._parts = parts
        self._transport: asyncio.Transport
        self._frames = Frames()
        self._leases: dict[int, EngineLease] = {}
        self._waiting: dict[int, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._seen: dict[int, Seen] = {}
        # Each request is counted out with the quota with which it was admitted.
        self._let_in: dict[int, Quota | None] = {}
        self._asked = 0
        self._does: Mapping[type, Callable[[Any], None]] = {
            said.AcquireLease: self._take,
            said.ReleaseLease: self._leave,
            said.Admit: self._admit,
            said.RequestLeft: self._left,
            said.AddUsage: self._used,
            said.SpendTokens: self._spent,
            said.EngineAlive: self._heard,
            said.EngineDone: self._done,
            said.EngineUnhealthy: self._sick,
            said.AdapterLost: self._lost,
            said.RequestStarted: self._came,
            said.RequestFinished: self._ended,
            said.OpenReview: self._keep,
            said.SampleReview: self._sample,
            said.ShadowAgreement: self._agreed,
            said.Denied: self._denied,
            said.Ack: self._knows,
            said.CompileGrammar: self._compile,
            said.AddMetrics: self._counted,
        }

    @property
    def in_flight(self) -> int:
        """The number of its requests that hold or wait for a lease."""
        return len(self._leases) + len(self._waiting)

    def tell(self, number: int, frame: bytes) -> None:
        """Send an encoded update."""
        self.sent = number
        self._transport.write(frame)

    async def caught_up(self, number: int) -> None:
        """Return when the worker has applied this update, or has ended."""
        while not self.gone and self.known < number:
            self._moved.clear()
            await self._moved.wait()

    def close(self) -> None:
        """Close the connection."""
        self._transport.abort()

    # Called by the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the new connection's transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Handle the worker's messages."""
        for frame in self._frames.feed(data):
            word = said.words.decode(frame)
            try:
                self._does[type(word)](word)
            except Exception:  # An error in one request must not end the worker's other requests.
                log.exception("a worker's message could not be handled")

    def connection_lost(self, exc: Exception | None) -> None:
        """Release everything that the ended worker held."""
        self.gone, self.listens = True, False
        self._moved.set()
        for task in self._waiting.values():
            task.cancel()
        for lease in self._leases.values():
            lease.release()
        for _ in range(self._asked):
            self._parts.engine.client.activity.done(well=False)
        for quota in self._let_in.values():
            self._parts.limits.left(quota)
        for seen in self._seen.values():
            seen.outcome = RequestOutcome.REFUSED
            self._parts.monitor.finished(seen)

    # Handlers of the worker's messages.

    def _take(self, word: said.AcquireLease) -> None:
        weights = None
        if word.weights is not None:
            name, artifact, domain, adapter, number, domains = word.weights
            weights = PendingRequest(name, artifact, ReleaseRef(domain, adapter, number), domains)
        try:
            self._parts.engine.ready()  # Raises if the engine is not ready: then there is nothing to wait for.
            lease = self._parts.leases.lease(word.tenant, weights, word.cost, deadline=word.deadline, retry=word.retry)
            had = lease.try_acquire()
        except GatewayError as error:
            self._refuse(word.id, error, 0.0)
            return
        if had:
            self._has(word.id, lease)
        else:
            task = self._waiting[word.id] = asyncio.create_task(self._wait(word.id, lease))
            task.add_done_callback(lambda _: self._waiting.pop(word.id, None))

    async def _wait(self, number: int, lease: EngineLease) -> None:
        try:
            await lease.wait()
        except GatewayError as error:
            self._refuse(number, error, lease.waited)
        except Exception:
            log.exception("a worker's request for a lease failed")
            self._refuse(number, EngineUnavailableError("the gateway failed on this request; its log says why"), 0.0)
        else:
            self._has(number, lease)

    def _has(self, number: int, lease: EngineLease) -> None:
        """Count the lease as an engine request: a worker takes a lease only to call the engine at once."""
        self._leases[number] = lease
        self._asked += 1
        self._parts.engine.client.activity.asked()
        self._say(said.LeaseGranted(number, lease.waited))

    def _leave(self, word: said.ReleaseLease) -> None:
        lease = self._leases.pop(word.id, None)
        if lease is not None:
            lease.release()
            if self._asked > len(self._leases):  # The client disconnected before the engine was called.
                self._done(said.EngineDone(well=False))
        elif (task := self._waiting.get(word.id)) is not None:
            task.cancel()

    def _admit(self, word: said.Admit) -> None:
        quota = self._parts.callers.current.quota(word.tenant)
        try:
            headers = self._parts.limits.admit(quota)
        except GatewayError as error:
            self._refuse(word.id, error, 0.0)
            return
        self._let_in[word.id] = quota
        self._say(said.Admitted(word.id, headers))

    def _compile(self, word: said.CompileGrammar) -> None:
        try:
            self._parts.limits.grammars.take(word.tenant, word.grammar, word.milliseconds)
        except GatewayError as error:
            self._refuse(word.id, error, 0.0)
            return
        self._say(said.Admitted(word.id, {}))

    def _left(self, word: said.RequestLeft) -> None:
        if word.id in self._let_in:
            self._parts.limits.left(self._let_in.pop(word.id))

    def _used(self, word: said.AddUsage) -> None:
        self._parts.ledger.add(
            word.tenant, word.domain, word.adapter, word.number, word.kind, word.prompt, word.completion, word.uncounted
        )

    def _counted(self, word: said.AddMetrics) -> None:
        self._parts.sums.merge(dict(word.series))

    def _spent(self, word: said.SpendTokens) -> None:
        self._parts.limits.spend(self._parts.callers.current.quota(word.tenant), word.tokens)

    def _heard(self, word: said.EngineAlive) -> None:
        self._parts.engine.client.activity.heard()

    def _done(self, word: said.EngineDone) -> None:
        self._asked -= 1
        self._parts.engine.client.activity.done(well=word.well)

    def _sick(self, word: said.EngineUnhealthy) -> None:
        self._parts.engine.client.on_unhealthy()

    def _lost(self, word: said.AdapterLost) -> None:
        try:
            self._parts.leases.adapter_lost(word.name)
        except EngineUnavailableError:
            pass  # A new engine has no adapters to lose.

    def _came(self, word: said.RequestStarted) -> None:
        seen = self._seen[word.id] = Seen(word.reason, _ref(word), word.tenant)
        self._parts.monitor.started(seen)

    def _ended(self, word: said.RequestFinished) -> None:
        seen = self._seen.pop(word.id)
        seen.failed_validation, seen.engine_error = word.failed_validation, word.engine_error
        seen.fell_back, seen.seconds, seen.outcome = word.fell_back, word.seconds, RequestOutcome(word.outcome)
        seen.client_caused = word.client_caused
        self._parts.monitor.finished(seen)

    def _keep(self, word: said.OpenReview) -> None:
        task = asyncio.create_task(self._kept(word))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _kept(self, word: said.OpenReview) -> None:
        try:
            review = await self._parts.reviews.open(*_opening(word.request))
        except ReviewNotKeptError:
            self._say(said.ReviewOpened(word.id, None))
        else:
            self._say(said.ReviewOpened(word.id, review))

    def _sample(self, word: said.SampleReview) -> None:
        self._parts.reviews.sample(*_opening(word.request))

    def _agreed(self, word: said.ShadowAgreement) -> None:
        self._parts.shadows.count(dict(word.counts))

    def _denied(self, word: said.Denied) -> None:
        self._parts.denied.note(DeniedAttempt(word.owner, word.key, word.origin, word.route, word.status))

    def _knows(self, word: said.Ack) -> None:
        self.known = word.number
        self._moved.set()

    def _refuse(self, number: int, error: GatewayError, waited: float) -> None:
        self._say(said.Rejected(number, type(error).__name__, str(error), error.retry_after, error.headers, waited))

    def _say(self, reply: said.PrimaryMessage) -> None:
        if not self.gone:
            self._transport.write(said.packet(reply))


def _ref(word: said.RequestStarted) -> ReleaseRef:
    return ReleaseRef(word.domain, word.adapter, word.number)


def _opening(sent: bytes) -> tuple[ReviewRequest, ReviewRules]:
    """Return the review to open, with the review rules of its policy."""
    opening = said.openings.decode(sent)
    return opening, ReviewRules(webhook=opening.webhook, assign_to=opening.assign_to, keep_days=opening.keep_days)
