"""The adapter that answers for a domain by default."""

from __future__ import annotations

from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Domain
from postil.registry.errors import ConflictError
from postil.registry.names import AdapterName
from postil.registry.releases.channels import existing
from postil.registry.releases.freeze import check_not_frozen
from postil.registry.releases.history import retired

SET_DEFAULT = "set-default"


def set_default(database: Database, name: AdapterName, *, reason: str, actor: str) -> None:
    """Make an adapter its domain's default. Raises NotFoundError, or ConflictError if it is already, or is retired.

    The event's subject is the adapter: every gateway that follows it reads all domains' defaults with it.
    """
    with database.write() as session:
        store.lock_for_writing(session)
        existing(session, name)
        if retired(session, name).adapter:
            raise ConflictError(f"{name} is retired; bring it back first with `postil adapters restore {name}`")
        check_not_frozen(session, name.domain)
        domain = session.get_one(Domain, name.domain)
        if domain.default_adapter == name.adapter:
            raise ConflictError(f"{name} answers for {name.domain} already")
        before, domain.default_adapter = domain.default_adapter, name.adapter
        session.add(domain)
        store.record(
            session, actor=actor, action=SET_DEFAULT, subject=str(name), reason=reason, details={"before": before}
        )
