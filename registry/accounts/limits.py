"""Limits of tenants; every gateway applies a change as soon as it learns of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from postil.registry.accounts.existing import existing_tenant
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Tenant
from postil.registry.errors import LimitError

# The largest integer that every JSON parser reads exactly.
LARGEST = 2**53 - 1


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """A tenant's limits. Raises LimitError for invalid values.

    None means unlimited for the first four, and the gateway's setting for what one request may ask for:
    ``sequences`` (prompts times choices), ``output_tokens`` of one answer, ``schema_kib`` of schemas and tools.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    concurrent: int | None = None
    connections: int | None = None
    sequences: int | None = None
    output_tokens: int | None = None
    schema_kib: int | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not 1 <= value <= LARGEST:
                raise LimitError(f"{name} cannot be {value}; give a whole number from 1 on, or leave it out")

    def named(self) -> dict[str, int]:
        """Return the limits that are set, as they are stored."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def of_tenant(tenant: Tenant) -> TenantLimits:
    """Read stored limits; limits from a later version are ignored."""
    known = TenantLimits.__dataclass_fields__
    return TenantLimits(**{name: value for name, value in (tenant.limits or {}).items() if name in known})


def limits_of(database: Database, name: str) -> TenantLimits:
    """Return a tenant's limits. Raises NotFoundError."""
    with database.read() as session:
        return of_tenant(existing_tenant(session, name))


def set_limits(database: Database, name: str, limits: TenantLimits, *, actor: str) -> Mapping[str, int]:
    """Replace a tenant's limits and return the new ones. Raises NotFoundError."""
    with database.write() as session:
        store.lock_for_writing(session)
        tenant = existing_tenant(session, name)
        before, tenant.limits = tenant.limits, limits.named()
        if before != tenant.limits:
            session.add(tenant)
            details = {"before": before, "after": tenant.limits}
            store.record(session, actor=actor, action="tenant-limits", subject=name, reason="", details=details)
    return limits.named()
