"""A worker's stand-ins for what the primary keeps; each sends messages to the primary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec

from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.health.activity import EngineActivity
from postil.gateway.engine.lease import Weights
from postil.gateway.inference.ports import ReviewNotKeptError
from postil.gateway.inference.shadow import AgreementCounts
from postil.gateway.server.workers import messages as said
from postil.gateway.server.workers.client import PrimaryClient, refusal_error
from postil.gateway.telemetry.request_id import current
from postil.gateway.tenancy.denied_attempts import DeniedAttempt
from postil.gateway.tenancy.quota import Quota
from postil.registry.policy.policy import ReviewRules
from postil.registry.reviews.reviews import ReviewRequest

# The primary needs to know that something arrived, not how much.
_HEARD_SECONDS = 0.1


class RemoteLeases:
    """Engine leases that the primary grants. ``engine`` raises EngineUnavailableError while it is not ready."""

    def __init__(self, link: PrimaryClient, engine: Callable[[], EngineClient]) -> None:
        self._link = link
        self._engine = engine

    @property
    def client(self) -> EngineClient:
        """Return the engine's client. Raises EngineUnavailableError."""
        return self._engine()

    def lease(
        self, tenant: str, weights: Weights | None, cost: int, *, deadline: float | None, retry: bool
    ) -> RemoteLease:
        """Return a lease for one request, not acquired yet."""
        wanted = None
        if weights is not None:
            ref = weights.ref
            wanted = (weights.engine_name, weights.artifact, ref.domain, ref.adapter, ref.number, weights.domains)
        number = self._link.number()
        return RemoteLease(self._link, number, said.AcquireLease(number, tenant, wanted, cost, deadline, retry))

    def adapter_lost(self, name: str) -> None:
        """Report to the primary that the engine lost an adapter."""
        self._link.send(said.AdapterLost(name))


class RemoteLease:
    """A lease of the primary's engine, requested over the connection."""

    __slots__ = ("_link", "_number", "_word", "waited")

    def __init__(self, link: PrimaryClient, number: int, word: said.AcquireLease) -> None:
        self._link = link
        self._number = number
        self._word = word
        self.waited = 0.0

    def try_acquire(self) -> bool:
        """Return False: a lease always has to be requested."""
        return False

    async def wait(self) -> None:
        """Request the lease from the primary and wait. Raises the same errors as ``LocalLease``."""
        try:
            reply = await self._link.request(self._number, self._word)
        except asyncio.CancelledError:
            self.release()
            raise
        if isinstance(reply, said.Rejected):
            self.waited = reply.waited
            raise refusal_error(reply)
        assert isinstance(reply, said.LeaseGranted), "nothing else answers that"
        self.waited = reply.waited

    def release(self) -> None:
        """Release the lease."""
        self._link.send(said.ReleaseLease(self._number))


class RemoteLimits:
    """Tenants' limits and usage, kept by the primary."""

    def __init__(self, link: PrimaryClient) -> None:
        self._link = link
        # Message numbers of a tenant's admitted requests; which number belongs to which request does not matter.
        self._let_in: dict[str, list[int]] = {}

    async def admit(self, quota: Quota | None) -> Mapping[str, str]:
        """Admit a tenant's request; see ``RateLimiter.admit``. Without limits no message is sent."""
        if quota is None:
            return {}
        number = self._link.number()
        try:
            reply = await self._link.request(number, said.Admit(number, quota.tenant))
        except asyncio.CancelledError:
            self._link.send(said.RequestLeft(number))
            raise
        if isinstance(reply, said.Rejected):
            raise refusal_error(reply)
        assert isinstance(reply, said.Admitted), "nothing else answers that"
        self._let_in.setdefault(quota.tenant, []).append(number)
        return reply.headers

    async def compile(self, tenant: str, grammar: str, milliseconds: float) -> None:
        """Have a grammar counted; see ``GrammarBudget.take``."""
        number = self._link.number()
        reply = await self._link.request(number, said.CompileGrammar(number, tenant, grammar, milliseconds))
        if isinstance(reply, said.Rejected):
            raise refusal_error(reply)

    def left(self, quota: Quota | None) -> None:
        """Report that an admitted request has ended."""
        if quota is None:
            return
        numbers = self._let_in[quota.tenant]
        self._link.send(said.RequestLeft(numbers.pop()))
        if not numbers:
            del self._let_in[quota.tenant]

    def add(
        self,
        tenant: str,
        domain: str,
        adapter: str,
        number: int,
        kind: str,
        prompt: int,
        completion: int,
        uncounted: int = 0,
    ) -> None:
        """Add one request's usage; see ``Ledger.add``."""
        self._link.send(said.AddUsage(tenant, domain, adapter, number, kind, prompt, completion, int(uncounted)))

    def spend(self, quota: Quota | None, tokens: int) -> None:
        """Charge tokens; see ``RateLimiter.spend``."""
        if quota is not None and tokens:
            self._link.send(said.SpendTokens(quota.tenant, tokens))


class RemoteActivity(EngineActivity):
    """The engine's activity; the primary decides for all workers whether it is alive."""

    def __init__(self, link: PrimaryClient) -> None:
        super().__init__()
        self._link = link
        self._told = 0.0

    def asked(self) -> None:
        """Do nothing: the primary knows of the request since it granted the lease."""

    def heard(self) -> None:
        """Report now and then that the engine sends something."""
        now = time.monotonic()
        if now - self._told >= _HEARD_SECONDS:
            self._told = now
            self._link.send(said.EngineAlive())

    def done(self, *, well: bool) -> None:
        """Report that a request has ended."""
        self._link.send(said.EngineDone(well))


class RemoteDenied:
    """Denied attempts, counted by the primary."""

    def __init__(self, link: PrimaryClient) -> None:
        self._link = link

    def note(self, attempt: DeniedAttempt) -> None:
        """Count an attempt."""
        self._link.send(said.Denied(attempt.owner, attempt.key, attempt.origin, attempt.route, attempt.status))


class RemoteReviews:
    """Reviews, kept by the primary."""

    def __init__(self, link: PrimaryClient) -> None:
        self._link = link

    async def open(self, opening: ReviewRequest, rules: ReviewRules) -> str:
        """Store a review and return its id. Raises ReviewNotKeptError."""
        number = self._link.number()
        reply = await self._link.request(number, said.OpenReview(number, _by(opening, rules)))
        if not isinstance(reply, said.ReviewOpened) or reply.review is None:
            raise ReviewNotKeptError
        return reply.review

    def sample(self, opening: ReviewRequest, rules: ReviewRules) -> None:
        """Store a review of an answer that passed, in the background."""
        self._link.send(said.SampleReview(_by(opening, rules)))


def agreed(link: PrimaryClient, loop: asyncio.AbstractEventLoop) -> Callable[[AgreementCounts], None]:
    """Send the counts of shadow agreement to the primary; called in another thread."""

    def keep(counts: AgreementCounts) -> None:
        loop.call_soon_threadsafe(link.send, said.ShadowAgreement([*counts.items()]))

    return keep


def _by(opening: ReviewRequest, rules: ReviewRules) -> bytes:
    ruled = replace(opening, assign_to=rules.assign_to, webhook=rules.webhook, keep_days=rules.keep_days)
    return msgspec.json.encode(replace(ruled, request_id=current()))
