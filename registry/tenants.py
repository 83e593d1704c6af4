"""Tenants: who may call, by which key, and what they may ask."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from postil.registry import store
from postil.registry.channels import unpin_everywhere
from postil.registry.database import Database
from postil.registry.errors import ConflictError, NotFoundError
from postil.registry.models import Tenant
from postil.registry.names import parse_domain

_PREFIX = "psk-"


def new_key() -> str:
    """A fresh key with 256 bits of chance in it."""
    return _PREFIX + secrets.token_urlsafe(32)


def key_hash(key: str) -> str:
    """What is kept of a key: SHA-256 in hex. Enough for keys made by chance, which nobody can guess."""
    return hashlib.sha256(key.encode()).hexdigest()


def add_tenant(
    database: Database, name: str, domains: Sequence[str], *, default: str | None = None, actor: str
) -> tuple[Tenant, str]:
    """Add a tenant; returns it with its key, which is not kept and cannot be shown again.

    The first of ``domains`` is the default unless ``default`` names another. Raises ConflictError.
    """
    allowed = [parse_domain(domain) for domain in domains]
    first = default or (allowed[0] if allowed else None)
    if first is not None and first not in allowed:
        raise ConflictError(f"the default domain {first!r} is not among the tenant's domains; add it to them")
    key = new_key()
    tenant = Tenant(
        name=parse_domain(name), domains=allowed, default_domain=first, key_hash=key_hash(key), key_prefix=key[:8]
    )
    with database.transaction() as session:
        store.lock_for_writing(session)
        if session.get(Tenant, tenant.name):
            raise ConflictError(f"there is a tenant {name} already; remove it first, or choose another name")
        session.add(tenant)
        store.record(session, actor=actor, action="tenant-add", subject=tenant.name, reason=", ".join(allowed))
    return tenant, key


def remove_tenant(database: Database, name: str, *, actor: str) -> None:
    """Remove a tenant: its key is refused from the next request on. Raises NotFoundError."""
    with database.transaction() as session:
        store.lock_for_writing(session)
        tenant = session.get(Tenant, name)
        if tenant is None:
            raise NotFoundError(f"there is no tenant {name}; see `postil tenants list`")
        unpin_everywhere(session, name, actor=actor)
        session.delete(tenant)
        store.record(session, actor=actor, action="tenant-remove", subject=name, reason="")


def list_tenants(database: Database) -> Sequence[Tenant]:
    """All tenants, by name."""
    with database.transaction() as session:
        return store.tenants(session)
