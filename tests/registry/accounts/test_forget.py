from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlmodel import select

from postil.plugins import ReleaseRef
from postil.registry.accounts.forget import forget_tenant
from postil.registry.accounts.tenants import add_tenant, remove_tenant
from postil.registry.db.database import Database
from postil.registry.db.safety_tables import DeniedAttempt, Evidence
from postil.registry.db.tables import Key, Pin, Review, Spent, Usage, utcnow
from postil.registry.errors import ConflictError
from postil.registry.reviews.reviews import ReviewRequest, open_review


def fill(database: Database, name: str) -> None:
    """Everything that may be kept of a tenant, once."""
    now, ref = utcnow(), dict[str, Any](domain="healthcare", adapter="triage", number=1)
    open_review(database, ReviewRequest(ReleaseRef("healthcare", "triage", 1), name, {}, "x", "why", [], None))
    with database.write() as session:
        session.add(Pin(tenant=name, **ref))
        session.add(Evidence(tenant=name, signal="engine_error", seen=1, **ref))
        session.add(DeniedAttempt(actor=name, first_at=now, last_at=now, address="::1", route="GET /x", status=403))
        session.add(Usage(day=date(2026, 1, 1), tenant=name, kind="answer", requests=1, **ref))
        session.add(Spent(tenant=name, what="requests", seconds=60, window=1, amount=1))


def left(database: Database) -> dict[str, int]:
    """How many rows there are of each kind."""
    with database.read() as session:
        tables = (Review, Key, Pin, Evidence, DeniedAttempt, Usage, Spent)
        return {table.__name__: len(session.exec(select(table)).all()) for table in tables}


def test_what_is_kept_of_a_removed_tenant_goes_and_nothing_of_another(database: Database) -> None:
    for name in ("clinic", "bank"):
        add_tenant(database, name, ["healthcare"], actor="ann")
        fill(database, name)
    with pytest.raises(ConflictError, match="tenant clinic is still there; remove it first"):
        forget_tenant(database, "clinic", actor="ann")
    assert set(left(database).values()) == {2}
    remove_tenant(database, "clinic", actor="ann")
    fill_again = {"reviews": 1, "keys": 1, "pins": 0, "evidence": 0, "denied_attempts": 1, "usage": 0}
    assert forget_tenant(database, "clinic", actor="ann") == fill_again
    assert {name for name, count in left(database).items() if count != 1} == {"Usage"}
    assert forget_tenant(database, "clinic", usage=True, actor="ann")["usage"] == 1
    assert set(left(database).values()) == {1}
