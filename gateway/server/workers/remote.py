"""What a worker has in place of what the primary keeps: each asks there, or tells it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec

from postil.gateway.control.reviews import ReviewNotKeptError
from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.health.activity import Pulse
from postil.gateway.engine.lease import Weights
from postil.gateway.inference.shadow import Counts
from postil.gateway.server.workers import messages as said
from postil.gateway.server.workers.client import Link, refused
from postil.gateway.tenancy.quota import Quota
from postil.registry.policy.policy import ReviewRules
from postil.registry.reviews.reviews import Opening

# The primary has to know that something comes, and not how much.
_HEARD_SECONDS = 0.1


class RemoteSeats:
    """Seats at the engine, given out by the primary. ``engine`` raises EngineUnavailableError while it is not ready."""

    def __init__(self, link: Link, engine: Callable[[], EngineClient]) -> None:
        self._link = link
        self._engine = engine

    @property
    def client(self) -> EngineClient:
        """The engine. Raises EngineUnavailableError."""
        return self._engine()

    def seat(self, tenant: str, weights: Weights | None, *, deadline: float | None, again: bool) -> RemoteSeat:
        """A seat for one request."""
        wanted = None
        if weights is not None:
            ref = weights.ref
            wanted = (weights.engine_name, weights.artifact, ref.domain, ref.adapter, ref.number)
        number = self._link.number()
        return RemoteSeat(self._link, number, said.Take(number, tenant, wanted, deadline, again))

    def lost(self, name: str) -> None:
        """Have it loaded again for whoever asks next."""
        self._link.say(said.Lost(name))


class RemoteSeat:
    """One of them."""

    __slots__ = ("_link", "_number", "_word", "waited")

    def __init__(self, link: Link, number: int, word: said.Take) -> None:
        self._link = link
        self._number = number
        self._word = word
        self.waited = 0.0

    def at_once(self) -> bool:
        """It is never had without asking."""
        return False

    async def wait(self) -> None:
        """Ask for it. Raises as a seat of this process does."""
        try:
            reply = await self._link.ask(self._number, self._word)
        except asyncio.CancelledError:
            self.leave()
            raise
        if isinstance(reply, said.Refused):
            self.waited = reply.waited
            raise refused(reply)
        assert isinstance(reply, said.Had), "nothing else answers that"
        self.waited = reply.waited

    def leave(self) -> None:
        """Give it back."""
        self._link.say(said.Leave(self._number))


class RemoteLimits:
    """Tenants' limits, and what is used."""

    def __init__(self, link: Link) -> None:
        self._link = link
        # Under which numbers a tenant's requests were let in; which of them is which does not matter.
        self._let_in: dict[str, list[int]] = {}

    async def admit(self, quota: Quota) -> Mapping[str, str]:
        """Let a limited tenant's request in; see ``Limiter.admit``."""
        number = self._link.number()
        try:
            reply = await self._link.ask(number, said.Admit(number, quota.tenant))
        except asyncio.CancelledError:
            self._link.say(said.Left(number))
            raise
        if isinstance(reply, said.Refused):
            raise refused(reply)
        assert isinstance(reply, said.Admitted), "nothing else answers that"
        self._let_in.setdefault(quota.tenant, []).append(number)
        return reply.headers

    def left(self, quota: Quota) -> None:
        """A request that was let in has ended."""
        numbers = self._let_in[quota.tenant]
        self._link.say(said.Left(numbers.pop()))
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
        unknown: int = 0,
    ) -> None:
        """Note one request; see ``Ledger.add``."""
        self._link.say(said.Used(tenant, domain, adapter, number, kind, prompt, completion, int(unknown)))

    def spend(self, quota: Quota | None, tokens: int) -> None:
        """Charge tokens; see ``Limiter.spend``."""
        if quota is not None and tokens:
            self._link.say(said.Spent(quota.tenant, tokens))


class RemotePulse(Pulse):
    """Whether the engine lives, as the primary sees it for all."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link
        self._told = 0.0

    def asked(self) -> None:
        """A request is on its way: the primary knows, since it gave the seat."""

    def heard(self) -> None:
        """Something came back; told now and then."""
        now = time.monotonic()
        if now - self._told >= _HEARD_SECONDS:
            self._told = now
            self._link.say(said.Heard())

    def done(self, *, well: bool) -> None:
        """A request has ended."""
        self._link.say(said.Done(well))


class RemoteReviews:
    """Reviews, kept by the primary."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def open(self, opening: Opening, rules: ReviewRules) -> str:
        """Keep a review and return its id. Raises ReviewNotKeptError."""
        number = self._link.number()
        reply = await self._link.ask(number, said.Keep(number, _by(opening, rules)))
        if not isinstance(reply, said.Kept) or reply.review is None:
            raise ReviewNotKeptError
        return reply.review

    def sample(self, opening: Opening, rules: ReviewRules) -> None:
        """Keep a review of an answer that passed; nobody waits for it."""
        self._link.say(said.Sample(_by(opening, rules)))


def agreed(link: Link, loop: asyncio.AbstractEventLoop) -> Callable[[Counts], None]:
    """Has the primary store how shadows compared; called in another thread."""

    def keep(counts: Counts) -> None:
        loop.call_soon_threadsafe(link.say, said.Agreed([*counts.items()]))

    return keep


def _by(opening: Opening, rules: ReviewRules) -> bytes:
    return msgspec.json.encode(replace(opening, assign_to=rules.assign_to, webhook=rules.webhook))
