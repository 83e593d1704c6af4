"""Rights of tenants beyond asking their domains; every gateway applies a change as soon as it learns of it."""

from __future__ import annotations

from collections.abc import Iterable

from postil.registry.accounts.existing import existing_tenant
from postil.registry.accounts.right import DEFAULT_RIGHTS, Right
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Tenant
from postil.registry.errors import RightError

__all__ = ["DEFAULT_RIGHTS", "Right", "change_rights", "parse_rights", "rights_named", "rights_of"]


def parse_rights(names: Iterable[str]) -> frozenset[Right]:
    """Read rights by their names. Raises RightError."""
    try:
        return frozenset(Right(name) for name in names)
    except ValueError:
        raise RightError(f"a right is one of {', '.join(Right)}; another was named") from None


def rights_of(tenant: Tenant) -> frozenset[Right]:
    """Read stored rights; rights from a later version are ignored."""
    return frozenset(right for right in Right if right in tenant.rights)


def rights_named(database: Database, name: str) -> frozenset[Right]:
    """Return a tenant's rights. Raises NotFoundError."""
    with database.read() as session:
        return rights_of(existing_tenant(session, name))


def change_rights(
    database: Database, name: str, *, add: Iterable[str] = (), remove: Iterable[str] = (), actor: str
) -> frozenset[Right]:
    """Give a tenant rights and take others; return those that it has then. Raises NotFoundError or RightError."""
    given, taken = parse_rights(add), parse_rights(remove)
    if given & taken:
        raise RightError(f"{', '.join(sorted(given & taken))} cannot be both added and removed; choose one")
    with database.write() as session:
        store.lock_for_writing(session)
        tenant = existing_tenant(session, name)
        before = sorted(rights_of(tenant))
        after = sorted(rights_of(tenant) - taken | given)
        if after != before:
            tenant.rights = [str(right) for right in after]
            session.add(tenant)
            details = {"before": before, "after": after}
            store.record(session, actor=actor, action="tenant-rights", subject=name, reason="", details=details)
    return frozenset(after)
