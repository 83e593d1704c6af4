"""From the tables before tenants had ids and releases could be yanked to those with them, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, inspect, table
from sqlmodel import Session, SQLModel

from postil.registry.accounts import tenants as accounts
from postil.registry.db.database import Database
from postil.registry.db.tables import Domain, Release, Review, Tenant, utcnow
from postil.registry.errors import NotFoundError
from postil.registry.reviews import retention, reviews
from tests.registry.conftest import Publish

_ADDED = datetime(2026, 6, 1, 12, 30, 15, 123456, tzinfo=UTC)
_INSTANT = timedelta(microseconds=1)
Taken = Callable[[Session], object]


def tenant(name: str) -> dict[str, Any]:
    """A tenant of version 0010."""
    return {"name": name, "domains": ["healthcare"], "default_domain": "healthcare", "limits": {}, "created_at": _ADDED}


def review(name: str, tenant: str, created_at: datetime) -> dict[str, Any]:
    """An open review of version 0010."""
    return {
        "id": name, "domain": "healthcare", "adapter": "triage", "number": 1, "tenant": tenant, "request": {},
        "answer": "x", "reason": "why", "verdicts": [], "status": "open", "note": "", "tries": 0,
        "created_at": created_at,
    }  # fmt: skip


@pytest.fixture
def old(empty_url: str) -> Iterator[Database]:
    """A database of version 0010: two tenants; one has the name of a tenant that was removed and left reviews."""
    rows = {
        "tenant": [tenant("clinic"), tenant("bank")],
        "review": [
            review("a removed tenant's", "clinic", _ADDED - _INSTANT),
            review("its first", "clinic", _ADDED),
            review("its last", "clinic", _ADDED + timedelta(days=1)),
            review("the bank's", "bank", _ADDED + _INSTANT),
            review("of nobody", "gone", _ADDED + _INSTANT),
        ],
    }
    database = Database(empty_url)
    try:
        database.migrate("0010")
        with database.engine.begin() as connection:
            for name, found in rows.items():
                today = SQLModel.metadata.tables[name].columns
                connection.execute(insert(table(name, *(today[each]._copy() for each in found[0]))), found)
        yield database
    finally:
        database.close()


def readable(database: Database, name: str) -> set[str]:
    """The ids of the reviews that a tenant may read."""
    with database.read() as session:
        uid = session.get_one(Tenant, name).uid
    found = set()
    for row in reviews.reviews(database).items:
        try:
            found.add(reviews.of_tenant(database, row.id, name, uid).id)
        except NotFoundError:
            continue
    return found


def test_reviews_that_are_older_than_the_tenant_of_their_name_are_not_its_own(old: Database) -> None:
    old.migrate()
    assert readable(old, "clinic") == {"its first", "its last"}
    assert readable(old, "bank") == {"the bank's"}
    accounts.add_tenant(old, "gone", ["healthcare"], actor="ann")
    assert readable(old, "gone") == set()


def test_a_tenant_that_was_added_after_the_upgrade_has_none_of_its_name_before_it_when_it_goes_down_and_up(
    old: Database,
) -> None:
    old.migrate()
    accounts.remove_tenant(old, "clinic", actor="ann")
    accounts.add_tenant(old, "clinic", ["healthcare"], actor="ann")
    old.downgrade("0010")
    old.migrate()
    assert readable(old, "clinic") == set()


def yank(session: Session) -> None:
    """A release is yanked."""
    session.get_one(Release, 1).yanked_at = utcnow()


def freeze(session: Session) -> None:
    """A domain is frozen."""
    session.get_one(Domain, "healthcare").frozen_at = utcnow()


def refuse(session: Session) -> None:
    """A tenant is refused."""
    session.get_one(Tenant, "clinic").refused_at = utcnow()


def narrow(session: Session) -> None:
    """A tenant may not ask the base."""
    session.get_one(Tenant, "clinic").rights = ["grammars"]


@pytest.mark.parametrize(
    ("take", "named"),
    [
        (yank, "yanked releases: 1"),
        (freeze, "frozen domains: 1"),
        (refuse, "refused tenants: 1"),
        (narrow, "tenants without the right to the base: 1"),
    ],
)
def test_what_is_taken_back_is_not_served_again_by_a_step_down(
    database: Database, publish: Publish, take: Taken, named: str
) -> None:
    publish()
    accounts.add_tenant(database, "clinic", ["healthcare"], actor="ann")
    with database.write() as session:
        take(session)
    with pytest.raises(RuntimeError, match="go back by a backup") as refused:
        database.downgrade("0010")
    assert f"({named})" in str(refused.value)
    assert {"webhook", "evidence"} <= set(inspect(database.engine).get_table_names())
    with database.write() as session:
        session.get_one(Release, 1).yanked_at = session.get_one(Domain, "healthcare").frozen_at = None
        changed = session.get_one(Tenant, "clinic")
        changed.refused_at, changed.rights = None, ["base", "numbers"]
    database.downgrade("0010")
    database.migrate()


def test_an_upgrade_deletes_no_old_review_and_keeps_them_as_long_as_new_ones(
    old: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 2)
    old.migrate()
    with old.write() as session:
        session.add(Domain(name="healthcare", default_adapter="triage", quotas={"review_days": 30}))
        session.get_one(Review, "of nobody").domain = "legal"
    upgraded = _ADDED + timedelta(days=1000)
    assert retention.expire(old, upgraded, 90) == 0
    assert retention.expire(old, upgraded + timedelta(days=30) - _INSTANT, 90) == 0
    assert retention.expire(old, upgraded + timedelta(days=30), 90) == 4
    assert retention.expire(old, upgraded + timedelta(days=90) - _INSTANT, 90) == 0
    assert retention.expire(old, upgraded + timedelta(days=90), 90) == 1
