"""What a tenant may use: limits that are in force on every gateway from the moment it hears of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Tenant
from postil.registry.errors import LimitError, NotFoundError

# The largest whole number that every JSON reader keeps.
_LARGEST = 2**53 - 1


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """How much a tenant may use; None is without limit. Raises LimitError at what cannot be one."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    concurrent: int | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not 1 <= value <= _LARGEST:
                raise LimitError(f"{name} cannot be {value}; give a whole number from 1 on, or leave it out")

    def named(self) -> dict[str, int]:
        """Those that there are, as they are kept."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def of_tenant(tenant: Tenant) -> TenantLimits:
    """A tenant's limits as they are kept; what a later version named is left out."""
    known = TenantLimits.__dataclass_fields__
    return TenantLimits(**{name: value for name, value in (tenant.limits or {}).items() if name in known})


def limits_of(database: Database, name: str) -> TenantLimits:
    """The limits of a tenant. Raises NotFoundError."""
    with database.read() as session:
        return of_tenant(_found(session.get(Tenant, name), name))


def set_limits(database: Database, name: str, limits: TenantLimits, *, actor: str) -> Mapping[str, int]:
    """Put limits in the place of those a tenant had, and return them. Raises NotFoundError."""
    with database.write() as session:
        store.lock_for_writing(session)
        tenant = _found(session.get(Tenant, name), name)
        before, tenant.limits = tenant.limits, limits.named()
        if before != tenant.limits:
            session.add(tenant)
            details = {"before": before, "after": tenant.limits}
            store.record(session, actor=actor, action="tenant-limits", subject=name, reason="", details=details)
    return limits.named()


def _found(tenant: Tenant | None, name: str) -> Tenant:
    if tenant is None:
        raise NotFoundError(f"there is no tenant {name}; see `postil tenants list`")
    return tenant
