"""A tenant's limits, prepared for the hot path."""

from __future__ import annotations

from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute

from postil.registry.accounts.limits import TenantLimits

REQUESTS, TOKENS = "requests", "tokens"


class PerMinute(RateLimitItemPerMinute):
    """A limit per minute. Counts continue when the limit changes: the amount is not part of the key."""

    def key_for(self, *identifiers: bytes | str | float) -> str:
        """The key unchanged: amounts are not part of it."""
        return str(identifiers[0])


class PerDay(RateLimitItemPerDay):
    """A limit per day; see PerMinute."""

    def key_for(self, *identifiers: bytes | str | float) -> str:
        """The key unchanged: amounts are not part of it."""
        return str(identifiers[0])


@dataclass(frozen=True, slots=True)
class Quota:
    """The limits of one tenant. Its usage is counted under ``requests_key`` and ``tokens_key``."""

    tenant: str
    requests_key: str
    tokens_key: str
    requests: RateLimitItem | None
    tokens: tuple[RateLimitItem, ...]
    concurrent: int | None
    # Requests of one key that run at a time; None: as many as the settings say.
    connections: int | None = None
    # What one request may ask for; None: as much as the settings say.
    sequences: int | None = None
    output_tokens: int | None = None
    schema_kib: int | None = None


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
    return Quota(
        tenant,
        key(REQUESTS, tenant),
        key(TOKENS, tenant),
        requests,
        tuple(tokens),
        limits.concurrent,
        sequences=limits.sequences,
        output_tokens=limits.output_tokens,
        schema_kib=limits.schema_kib,
        connections=limits.connections,
    )


def key(what: str, tenant: str) -> str:
    """The key under which a tenant's requests or tokens are counted."""
    return f"{what}:{tenant}"


def parts(counted: str) -> tuple[str, str]:
    """The kind of count and the tenant of a key."""
    what, _, tenant = counted.partition(":")
    return what, tenant
