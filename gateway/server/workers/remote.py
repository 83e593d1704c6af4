"""A worker's stand-ins for what the primary keeps: each asks or tells the primary."""

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
from postil.gateway.tenancy.quota import Quota
from postil.registry.policy.policy import ReviewRules
from postil.registry.reviews.reviews import ReviewRequest

# The primary has to know that something comes, and not how much.
_HEARD_SECONDS = 0.1


class RemoteLeases:
    """Seats at the engine, given out by the primary. ``engine`` raises EngineUnavailableError while it is not ready."""

    def __init__(self, link: PrimaryClient, engine: Callable[[], EngineClient]) -> None:
        self._link = link
        self._engine = engine

    @property
    def client(self) -> EngineClient:
        """The engine. Raises EngineUnavailableError."""
        return self._engine()

    def lease(
        self, tenant: str, weights: Weights | None, cost: int, *, deadline: float | None, retry: bool
    ) -> RemoteLease:
        """A lease for one request, not acquired yet."""
        wanted = None
        if weights is not None:
            ref = weights.ref
            wanted = (weights.engine_name, weights.artifact, ref.domain, ref.adapter, ref.number)
        number = self._link.number()
        return RemoteLease(self._link, number, said.AcquireLease(number, tenant, wanted, cost, deadline, retry))

    def adapter_lost(self, name: str) -> None:
        """Tell the primary that the engine lost an adapter."""
        self._link.send(said.AdapterLost(name))


class RemoteLease:
    """A lease of the primary's engine, asked for over the connection."""

    __slots__ = ("_link", "_number", "_word", "waited")

    def __init__(self, link: PrimaryClient, number: int, word: said.AcquireLease) -> None:
        self._link = link
        self._number = number
        self._word = word
        self.waited = 0.0

    def try_acquire(self) -> bool:
        """Return False: it always has to be asked for."""
        return False

    async def wait(self) -> None:
        """Ask the primary for it. Raises as ``LocalLease`` does."""
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
        """Give the lease back."""
        self._link.send(said.ReleaseLease(self._number))


class RemoteLimits:
    """Tenants' limits, and what is used."""

    def __init__(self, link: PrimaryClient) -> None:
        self._link = link
        # Under which numbers a tenant's requests were let in; which of them is which does not matter.
        self._let_in: dict[str, list[int]] = {}

    async def admit(self, quota: Quota | None) -> Mapping[str, str]:
        """Let a tenant's request in; see ``RateLimiter.admit``. One without limits asks nobody."""
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

    def left(self, quota: Quota | None) -> None:
        """Tell the primary that an admitted request has ended."""
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
        """Note one request; see ``Ledger.add``."""
        self._link.send(said.AddUsage(tenant, domain, adapter, number, kind, prompt, completion, int(uncounted)))

    def spend(self, quota: Quota | None, tokens: int) -> None:
        """Charge tokens; see ``RateLimiter.spend``."""
        if quota is not None and tokens:
            self._link.send(said.SpendTokens(quota.tenant, tokens))


class RemoteActivity(EngineActivity):
    """Whether the engine lives, as the primary sees it for all."""

    def __init__(self, link: PrimaryClient) -> None:
        super().__init__()
        self._link = link
        self._told = 0.0

    def asked(self) -> None:
        """Do nothing: the primary knows of the request since it granted the lease."""

    def heard(self) -> None:
        """Tell the primary now and then that the engine sends something."""
        now = time.monotonic()
        if now - self._told >= _HEARD_SECONDS:
            self._told = now
            self._link.send(said.EngineAlive())

    def done(self, *, well: bool) -> None:
        """A request has ended."""
        self._link.send(said.EngineDone(well))


class RemoteReviews:
    """Reviews, kept by the primary."""

    def __init__(self, link: PrimaryClient) -> None:
        self._link = link

    async def open(self, opening: ReviewRequest, rules: ReviewRules) -> str:
        """Keep a review and return its id. Raises ReviewNotKeptError."""
        number = self._link.number()
        reply = await self._link.request(number, said.OpenReview(number, _by(opening, rules)))
        if not isinstance(reply, said.ReviewOpened) or reply.review is None:
            raise ReviewNotKeptError
        return reply.review

    def sample(self, opening: ReviewRequest, rules: ReviewRules) -> None:
        """Keep a review of an answer that passed; nobody waits for it."""
        self._link.send(said.SampleReview(_by(opening, rules)))


def agreed(link: PrimaryClient, loop: asyncio.AbstractEventLoop) -> Callable[[AgreementCounts], None]:
    """Has the primary store how shadows compared; called in another thread."""

    def keep(counts: AgreementCounts) -> None:
        loop.call_soon_threadsafe(link.send, said.ShadowAgreement([*counts.items()]))

    return keep


def _by(opening: ReviewRequest, rules: ReviewRules) -> bytes:
    return msgspec.json.encode(replace(opening, assign_to=rules.assign_to, webhook=rules.webhook))
