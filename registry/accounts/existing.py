"""Finds a tenant by its name, for those who change it."""

from __future__ import annotations

from sqlmodel import Session

from postil.registry.db.tables import Tenant
from postil.registry.errors import NotFoundError


def existing_tenant(session: Session, name: str) -> Tenant:
    """A tenant. Raises NotFoundError."""
    tenant = session.get(Tenant, name)
    if tenant is None:
        raise NotFoundError(f"there is no tenant {name[:64]!r}; see `postil tenants list`")
    return tenant
