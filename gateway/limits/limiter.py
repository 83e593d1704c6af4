"""Lets a tenant's request in, or says when to come again. Memory only: every request comes through here."""

from __future__ import annotations

import math
from collections.abc import Mapping

from limits import RateLimitItem
from limits.strategies import SlidingWindowCounterRateLimiter

from postil.gateway.errors import RequestsLimitedError, TokensLimitedError
from postil.gateway.limits.counts import Counts
from postil.gateway.limits.quota import Quota

_NOTHING: Mapping[str, str] = {}
_SPAN = {60: "minute", 86400: "day"}


class Limiter:
    """The limits of all tenants, over one set of counts."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._windows = SlidingWindowCounterRateLimiter(counts)
        self._busy: dict[str, int] = {}

    def admit(self, quota: Quota | None) -> Mapping[str, str]:
        """Count one request in, to be followed by one ``left``; returns the headers for its answer.

        Raises RequestsLimitedError or TokensLimitedError, and has counted nothing.
        """
        if quota is None:
            return _NOTHING
        busy = self._busy.get(quota.tenant, 0)
        if quota.concurrent is not None and busy >= quota.concurrent:
            raise RequestsLimitedError(
                f"at most {quota.concurrent} requests at a time are allowed; wait for one to end", retry_after=1
            )
        for item in quota.tokens:
            if not self._windows.test(item, quota.tokens_key):
                raise self._refused(TokensLimitedError, quota, item, quota.tokens_key)
        if quota.requests is not None and not self._windows.hit(quota.requests, quota.requests_key):
            raise self._refused(RequestsLimitedError, quota, quota.requests, quota.requests_key)
        self._busy[quota.tenant] = busy + 1
        return self._headers(quota)

    def left(self, quota: Quota | None) -> None:
        """A request that was let in has ended."""
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

    def _refused(
        self, kind: type[RequestsLimitedError | TokensLimitedError], quota: Quota, item: RateLimitItem, key: str
    ) -> RequestsLimitedError | TokensLimitedError:
        seconds = fits_in(self._counts.get_sliding_window(key, item.get_expiry()), item.amount, item.get_expiry())
        error = kind(
            f"{item.amount} {kind.type} per {_SPAN[item.get_expiry()]} are allowed, and they are used;"
            f" try again in {duration(seconds)}",
            retry_after=math.floor(seconds) + 1,
        )
        error.headers = self._headers(quota)
        return error

    def _headers(self, quota: Quota) -> dict[str, str]:
        headers: dict[str, str] = {}
        if quota.requests is not None:
            self._put(headers, "requests", quota.requests.amount, *self._left(quota.requests, quota.requests_key))
        if quota.tokens:
            # The one of which least is left.
            remaining, reset, limit = min(
                (*self._left(item, quota.tokens_key), item.amount) for item in quota.tokens
            )
            self._put(headers, "tokens", limit, remaining, reset)
        return headers

    def _left(self, item: RateLimitItem, key: str) -> tuple[int, float]:
        """What is left now, and the seconds until all is again if nothing more is asked."""
        seconds = item.get_expiry()
        before, ends, now, gone = self._counts.get_sliding_window(key, seconds)
        left = item.amount - math.floor(before * ends / seconds + now)
        return max(left, 0), gone if now else ends if before else 0.0

    @staticmethod
    def _put(headers: dict[str, str], what: str, limit: int, remaining: int, reset: float) -> None:
        headers[f"x-ratelimit-limit-{what}"] = str(limit)
        headers[f"x-ratelimit-remaining-{what}"] = str(remaining)
        headers[f"x-ratelimit-reset-{what}"] = duration(reset)


def fits_in(window: tuple[int, float, int, float], limit: int, seconds: int) -> float:
    """The seconds after which one more fits, if nothing else comes: the last window fades over this one, this over the
    next. ``window`` is what ``get_sliding_window`` gives, of windows that are so many seconds long.
    """
    before, ends, now, _ = window
    if now < limit:
        return max(0.0, ends - seconds * (limit - now) / before) if before else 0.0
    return ends + seconds * (1 - limit / now)


def duration(seconds: float) -> str:
    """As OpenAI writes how long something takes: ``17ms``, ``1.5s``, ``6m0s``, ``23h59m30s``."""
    thousandths = math.ceil(seconds * 1000)
    if thousandths < 1000:
        return f"{thousandths}ms" if thousandths else "0s"
    minutes, rest = divmod(thousandths, 60_000)
    last = f"{rest / 1000:g}s"
    if not minutes:
        return last
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{last}" if hours else f"{minutes}m{last}"
