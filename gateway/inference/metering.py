"""Counts what each request uses of the engine, for its tenant and the release that answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from copy import copy
from typing import Any, Protocol

from postil.gateway.engine.client import EngineClient
from postil.gateway.errors import BadRequestError, EngineRefusedError, EngineUnavailableError
from postil.gateway.inference.streaming.usage_filter import Fingerprint, UsageFilter, asking, of_answer
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.quota import Quota
from postil.plugins import ReleaseRef
from postil.registry.accounts.usage import ANSWER, SHADOW

# Where nobody counted, a token is taken for so many bytes of the request.
_BYTES_A_TOKEN = 4


class UsageSink(Protocol):
    """Where usage is noted."""

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
        """Note one request; see ``UsageLedger.add``."""


class TokenBudget(Protocol):
    """Where a tenant's tokens are charged."""

    def spend(self, quota: Quota | None, tokens: int) -> None:
        """Charge tokens; see ``RateLimiter.spend``."""


class UsageMeter:
    """Counts requests to the engine. Tokens are charged to the tenant's limits once the engine reports them."""

    def __init__(self, ledger: UsageSink, limiter: TokenBudget) -> None:
        self.ledger = ledger
        self.fingerprint = Fingerprint()
        self.limiter: TokenBudget | None = limiter
        self._kind: str | None = None

    def on(self, client: EngineClient, caller: Caller, release: ReleaseRef | None, kind: str = ANSWER) -> MeteredEngine:
        """The engine for one caller and one release (None: the base)."""
        return MeteredEngine(self, client, caller, release, self._kind or kind)

    def for_shadows(self) -> UsageMeter:
        """A meter for shadows: it counts them as such, and charges no tenant."""
        meter = copy(self)
        meter.limiter, meter._kind = None, SHADOW
        return meter


class MeteredEngine:
    """Asks the engine and counts. A request that it refused or never began is not counted."""

    __slots__ = ("_caller", "_client", "_kind", "_meter", "_release")

    def __init__(
        self, meter: UsageMeter, client: EngineClient, caller: Caller, release: ReleaseRef | None, kind: str
    ) -> None:
        self._meter = meter
        self._client = client
        self._caller = caller
        self._release = release
        self._kind = kind

    async def post(self, path: str, request: Mapping[str, Any]) -> bytes:
        """Send JSON and read the whole answer; raises as the engine's client does."""
        try:
            body = await self._client.post(path, request)
        except (EngineRefusedError, EngineUnavailableError):
            raise
        except BaseException:  # The client has left. The engine has begun, and says nothing more.
            self.note(None, request)
            raise
        self.note(of_answer(body), request)
        return body

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        request: Mapping[str, Any],
        choices: int | None = None,
        on_end: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Send JSON and hand out the events as they come, the engine's counts only if the request asks for them.

        ``choices`` is how many a prompt has, where there are several in all; ``on_end`` as for ``EngineClient.stream``.
        """
        total, each = _wishes(request)
        passing = UsageFilter(self._meter.fingerprint, total=total, each=each, choices=choices)
        async with self._client.stream(path, {**request, "stream_options": asking(request)}, on_end) as chunks:
            try:
                yield passing.filter(chunks)
            finally:
                used = passing.used()
                if used is not None or not passing.broken:  # An engine that fails before its first word costs nobody.
                    self.note(used, request)

    def note(self, used: tuple[int, int] | None, request: Mapping[str, Any]) -> None:
        """Count one request; ``used`` is its prompt's and answer's tokens, None if unknown."""
        prompt, completion = used or (0, 0)
        ref, meter = self._release, self._meter
        named = (ref.domain, ref.adapter, ref.number) if ref else ("", "", 0)
        meter.ledger.add(self._caller.name, *named, self._kind, prompt, completion, used is None)
        if meter.limiter is not None and self._caller.limits is not None:
            spent = len(str(request)) // _BYTES_A_TOKEN if used is None else prompt + completion
            meter.limiter.spend(self._caller.limits, spent)


def _wishes(request: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether the request asks for a total, and for a count in each event. Raises BadRequestError."""
    options = request.get("stream_options") or {}
    wishes = []
    for name in ("include_usage", "continuous_usage_stats"):
        wish = options.get(name)
        if wish is not None and not isinstance(wish, bool):  # The engine would take "yes", and who asks has to know.
            raise BadRequestError(f"stream_options.{name} has to be true or false", param="stream_options")
        wishes.append(bool(wish))
    return wishes[0], wishes[1]
