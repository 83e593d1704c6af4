"""A tenant's limits, made ready for the hot path."""

from __future__ import annotations

from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute

from postil.registry.accounts.limits import TenantLimits

REQUESTS, TOKENS = "requests", "tokens"


class PerMinute(RateLimitItemPerMinute):
    """So many a minute. Counts go on when the limit changes: its amount is no part of the key."""

    def key_for(self, *identifiers: bytes | str | float) -> str:
        """The key that was given, as it is."""
        return str(identifiers[0])


class PerDay(RateLimitItemPerDay):
    """So many a day; see PerMinute."""

    def key_for(self, *identifiers: bytes | str | float) -> str:
        """The key that was given, as it is."""
        return str(identifiers[0])


@dataclass(frozen=True, slots=True)
class Quota:
    """What one tenant may have. ``requests_key`` and ``tokens_key`` are where it is counted."""

    tenant: str
    requests_key: str
    tokens_key: str
    requests: RateLimitItem | None
    tokens: tuple[RateLimitItem, ...]
    concurrent: int | None


def quota(tenant: str, limits: TenantLimits) -> Quota | None:
    """The quota of a tenant, None where nothing is limited."""
    if not limits.named():
        return None
    tokens: list[RateLimitItem] = []
    if limits.tokens_per_minute is not None:
        tokens.append(PerMinute(limits.tokens_per_minute))
    if limits.tokens_per_day is not None:
        tokens.append(PerDay(limits.tokens_per_day))
    requests = None if limits.requests_per_minute is None else PerMinute(limits.requests_per_minute)
    return Quota(tenant, key(REQUESTS, tenant), key(TOKENS, tenant), requests, tuple(tokens), limits.concurrent)


def key(what: str, tenant: str) -> str:
    """Where requests or tokens of a tenant are counted."""
    return f"{what}:{tenant}"


def parts(counted: str) -> tuple[str, str]:
    """What a key counts, and for which tenant."""
    what, _, tenant = counted.partition(":")
    return what, tenant
