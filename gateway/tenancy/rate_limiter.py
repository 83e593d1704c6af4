"""Admits a tenant's request, or says when to retry. In memory only: every request passes here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from limits import RateLimitItem
from limits.strategies import SlidingWindowCounterRateLimiter

from postil.gateway.errors import RequestsLimitedError, TokensLimitedError
from postil.gateway.tenancy.grammar_budget import GrammarBudget
from postil.gateway.tenancy.quota import Quota
from postil.gateway.tenancy.window_counts import WindowCounts

_NOTHING: Mapping[str, str] = {}
_SPAN = {60: "minute", 86400: "day"}


class _State(NamedTuple):
    """The state of one limit; ``reset`` is the seconds until all of it is free again, without new requests."""

    limit: int
    remaining: int
    reset: float


class RequestLimits(Protocol):
    """Admits requests of tenants: in this process, or through a worker's primary."""

    async def admit(self, quota: Quota | None) -> Mapping[str, str]:
        """Admit and count one request; returns headers for its answer. Raises RequestsLimitedError or
        TokensLimitedError.
        """

    def left(self, quota: Quota | None) -> None:
        """Note that an admitted request has ended."""

    async def compile(self, tenant: str, grammar: str, milliseconds: float) -> None:
        """Count a grammar, by its digest, that takes so long to compile. Raises RequestsLimitedError."""


class RateLimiter:
    """The limits of all tenants, over one set of counts; ``grammar_seconds`` of compiling are each one's a minute."""

    def __init__(self, counts: WindowCounts, *, grammar_seconds: int = 20) -> None:
        self.grammars = GrammarBudget(grammar_seconds)
        self._counts = counts
        self._windows = SlidingWindowCounterRateLimiter(counts)
        self._busy: dict[str, int] = {}

    def admit(self, quota: Quota | None) -> Mapping[str, str]:
        """Admit and count one request; call ``left`` once it has ended. Returns headers for its answer.

        Raises RequestsLimitedError or TokensLimitedError, and then counts nothing.
        """
        if quota is None:
            return _NOTHING
        busy = self._busy.get(quota.tenant, 0)
        if quota.concurrent is not None and busy >= quota.concurrent:
            raise RequestsLimitedError(
                f"at most {quota.concurrent} requests at a time are allowed; wait for one to end", retry_after=1
            )
        tokens = self._tokens(quota)
        if quota.requests is not None and not self._windows.hit(quota.requests, quota.requests_key):
            raise self._refused(RequestsLimitedError, quota, quota.requests, quota.requests_key)
        self._busy[quota.tenant] = busy + 1
        return self._headers(quota, tokens)

    def left(self, quota: Quota | None) -> None:
        """Note that an admitted request has ended."""
        if quota is not None:
            busy = self._busy[quota.tenant] - 1
            if busy:
                self._busy[quota.tenant] = busy
            else:
                del self._busy[quota.tenant]

    def spend(self, quota: Quota | None, tokens: int) -> None:
        """Charge tokens that the engine has used, however many are left."""
        if quota is not None and tokens:
            for item in quota.tokens:
                self._counts.incr(quota.tokens_key, item.get_expiry(), tokens)

    def _tokens(self, quota: Quota) -> _State | None:
        """The state of the token limit with the least left. Raises TokensLimitedError if nothing is left."""
        nearest: _State | None = None
        for item in quota.tokens:
            state = self._state(item, quota.tokens_key)
            if not state.remaining:
                raise self._refused(TokensLimitedError, quota, item, quota.tokens_key)
            if nearest is None or state.remaining < nearest.remaining:
                nearest = state
        return nearest

    def _state(self, item: RateLimitItem, key: str) -> _State:
        seconds = item.get_expiry()
        before, ends, now, gone = self._counts.window(key, seconds)
        left = item.amount - int(before * ends / seconds + now)
        return _State(item.amount, max(left, 0), gone if now else ends if before else 0.0)

    def _refused(
        self, kind: type[RequestsLimitedError | TokensLimitedError], quota: Quota, item: RateLimitItem, key: str
    ) -> RequestsLimitedError | TokensLimitedError:
        seconds = fits_in(self._counts.window(key, item.get_expiry()), item.amount, item.get_expiry())
        error = kind(
            f"{item.amount} {kind.type} per {_SPAN[item.get_expiry()]} are allowed, and they are used;"
            f" try again in {duration(seconds)}",
            retry_after=math.floor(seconds) + 1,
        )
        tokens = [self._state(each, quota.tokens_key) for each in quota.tokens]
        error.headers = self._headers(quota, min(tokens, key=lambda state: state.remaining, default=None))
        return error

    def _headers(self, quota: Quota, tokens: _State | None) -> dict[str, str]:
        """The headers with what is left, under OpenAI's names."""
        headers: dict[str, str] = {}
        if quota.requests is not None:
            requests = self._state(quota.requests, quota.requests_key)
            headers["x-ratelimit-limit-requests"] = str(requests.limit)
            headers["x-ratelimit-remaining-requests"] = str(requests.remaining)
            headers["x-ratelimit-reset-requests"] = duration(requests.reset)
        if tokens is not None:
            headers["x-ratelimit-limit-tokens"] = str(tokens.limit)
            headers["x-ratelimit-remaining-tokens"] = str(tokens.remaining)
            headers["x-ratelimit-reset-tokens"] = duration(tokens.reset)
        return headers


def fits_in(window: tuple[int, float, int, float], limit: int, seconds: int) -> float:
    """The seconds after which one more fits, if nothing else comes: the last window fades over this one, this over the
    next. ``window`` is what ``WindowCounts.window`` gives, of windows that are so many seconds long.
    """
    before, ends, now, _ = window
    if now < limit:
        return max(0.0, ends - seconds * (limit - now) / before) if before else 0.0
    return ends + seconds * (1 - limit / now)


def duration(seconds: float) -> str:
    """A duration as OpenAI writes it, rounded up to a second: ``1s``, ``6m0s``, ``23h59m30s``."""
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, last = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{last}s"
    return f"{minutes // 60}h{minutes % 60}m{last}s"


class LocalLimits:
    """``RequestLimits`` of a process that counts by itself."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter

    async def admit(self, quota: Quota | None) -> Mapping[str, str]:
        """Admit and count one request; see ``RateLimiter.admit``."""
        return self._limiter.admit(quota)

    def left(self, quota: Quota | None) -> None:
        """Note that an admitted request has ended."""
        self._limiter.left(quota)

    async def compile(self, tenant: str, grammar: str, milliseconds: float) -> None:
        """Count a grammar; see ``GrammarBudget.take``."""
        self._limiter.grammars.take(tenant, grammar, milliseconds)
