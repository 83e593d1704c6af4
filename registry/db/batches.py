"""Counts that several gateways add to the same rows in batches, each exactly once even after retries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel

from postil.registry.db.tables import Writer, utcnow


def is_new(session: Session, name: str, number: int) -> bool:
    """Note that a writer's batch is added, in the batch's transaction; return False if it was added before."""
    writer = session.get(Writer, name) or Writer(name=name, batch=0)
    if writer.batch >= number:
        return False
    writer.batch, writer.at = number, utcnow()
    session.add(writer)
    session.flush()
    return True


def add_counts(
    session: Session,
    table: type[SQLModel],
    key: Mapping[str, Any],
    counts: Mapping[str, int],
    newest: Mapping[str, Any] | None = None,
) -> None:
    """Add counts to a row or insert it; several gateways may do so concurrently. ``newest`` replaces what was there."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    row = dialect.insert(table).values(**key, **counts, **(newest or {}))
    changed = {name: getattr(table, name) + row.excluded[name] for name in counts}
    changed |= {name: row.excluded[name] for name in newest or ()}
    session.execute(row.on_conflict_do_update(index_elements=list(key), set_=changed))
