"""Tenants and their domains. For their credentials see keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlmodel import col, select

from postil.registry.accounts.existing import existing_tenant
from postil.registry.accounts.keys import TAKEN, KeyRequest, Role, issue, revoke_all
from postil.registry.accounts.limits import TenantLimits
from postil.registry.accounts.rights import DEFAULT_RIGHTS, parse_rights
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.paging import DEFAULT_LIMIT, Order, Page, page
from postil.registry.db.tables import Key, Tenant, utcnow
from postil.registry.errors import ConflictError, KeyRefusedError
from postil.registry.names import parse_domain
from postil.registry.releases.channels import unpin_everywhere
from postil.registry.releases.evidence import forget_tenant
from postil.registry.text import required

REFUSE, ADMIT = "tenant-refuse", "tenant-admit"
_BY_NAME = Order("tenants", [(col(Tenant.name), str)])


def add_tenant(
    database: Database,
    name: str,
    domains: Sequence[str],
    *,
    default: str | None = None,
    rights: Iterable[str] = DEFAULT_RIGHTS,
    lifetime: timedelta | None = None,
    concurrent: int | None = None,
    actor: str,
) -> tuple[Tenant, Key, str]:
    """Add a tenant; return it with its first key and that key's text, which is not stored and cannot be shown again.

    The first of ``domains`` is the default unless ``default`` names another. ``concurrent`` becomes its limit of
    requests at a time. Raises ConflictError or RightError.
    """
    allowed = [parse_domain(domain) for domain in domains]
    first = default or (allowed[0] if allowed else None)
    if first is not None and first not in allowed:
        raise ConflictError(f"the default domain {first!r} is not among the tenant's domains; add it to them")
    given = sorted(str(right) for right in parse_rights(rights))
    limits = TenantLimits(concurrent=concurrent).named()
    tenant = Tenant(name=parse_domain(name), domains=allowed, default_domain=first, rights=given, limits=limits)
    if tenant.name in TAKEN:
        raise KeyRefusedError(f"{name!r} is a reserved name; choose another")
    with database.write() as session:
        store.lock_for_writing(session)
        if session.get(Tenant, tenant.name):
            raise ConflictError(f"tenant {name} already exists; remove it first, or choose another name")
        session.add(tenant)
        details = {} if given == sorted(DEFAULT_RIGHTS) else {"rights": given}
        reason = ", ".join(allowed)
        store.record(session, actor=actor, action="tenant-add", subject=tenant.name, reason=reason, details=details)
        key, text = issue(session, KeyRequest(tenant.name, lifetime=lifetime), actor=actor)
    return tenant, key, text


def remove_tenant(database: Database, name: str, *, actor: str) -> None:
    """Remove a tenant; its keys are refused from the next request on. Raises NotFoundError."""
    with database.write() as session:
        store.lock_for_writing(session)
        tenant = existing_tenant(session, name)
        revoke_all(session, name, reason="the tenant was removed", actor=actor)
        unpin_everywhere(session, name, actor=actor)
        session.delete(tenant)
        session.flush()  # From here on nothing more of it is stored (``queries.hold_tenants``).
        forget_tenant(session, name)
        store.record(session, actor=actor, action="tenant-remove", subject=name, reason="")


def refuse_tenant(database: Database, name: str, *, reason: str, actor: str) -> Tenant:
    """Refuse every request of a tenant; its keys stay. Raises NotFoundError, TextError or ConflictError."""
    required(reason, "reason")
    with database.write() as session:
        store.lock_for_writing(session)
        tenant = existing_tenant(session, name)
        if tenant.refused_at is not None:
            raise ConflictError(f"{name} is refused already; see `postil tenants list`")
        tenant.refused_at, tenant.refused_reason = utcnow(), reason
        session.add(tenant)
        store.record(session, actor=actor, action=REFUSE, subject=name, reason=reason)
        return tenant


def admit_tenant(database: Database, name: str, *, reason: str, actor: str) -> Tenant:
    """Admit a refused tenant again. Raises NotFoundError, or ConflictError if it is not refused."""
    with database.write() as session:
        store.lock_for_writing(session)
        tenant = existing_tenant(session, name)
        if tenant.refused_at is None:
            raise ConflictError(f"{name} is not refused; see `postil tenants list`")
        tenant.refused_at, tenant.refused_reason = None, ""
        session.add(tenant)
        store.record(session, actor=actor, action=ADMIT, subject=name, reason=reason)
        return tenant


class TenantKeys(NamedTuple):
    """A tenant and its keys, oldest first, including those that are no longer valid."""

    tenant: Tenant
    keys: Sequence[Key]


def tenants(database: Database, *, after: str | None = None, limit: int = DEFAULT_LIMIT) -> Page[TenantKeys]:
    """List the tenants by name, each with its keys. Raises PagingError."""
    with database.read() as session:
        found: Page[Tenant] = page(session, select(Tenant), _BY_NAME, after, limit)
        keys = defaultdict[str, list[Key]](list)
        for key in store.keys_of(session, [tenant.name for tenant in found.items], Role.TENANT.value):
            keys[key.owner].append(key)
    return found.map(lambda tenant: TenantKeys(tenant, keys[tenant.name]))


def tenants_and_keys(database: Database) -> tuple[Sequence[Tenant], Sequence[Key]]:
    """Return all tenants and all keys, read in one transaction."""
    with database.read() as session:
        return store.tenants(session), store.keys(session)
