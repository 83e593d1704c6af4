"""Rows of usage from the version whose kinds were ``again`` and whose requests without counts were ``unknown``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import text

from postil.registry.accounts import usage
from postil.registry.accounts.usage import RETRY
from postil.registry.db.database import Database

_INSERT = text(
    "INSERT INTO usage (day, tenant, domain, adapter, number, kind, requests, unknown, prompt_tokens,"
    " completion_tokens) VALUES (:day, 'clinic', 'healthcare', 'triage', 1, :kind, :requests, :unknown, 30, 20)"
)
_OLD = [
    {"day": date(2026, 11, 1), "kind": "answer", "requests": 3, "unknown": 1},
    {"day": date(2026, 11, 1), "kind": "again", "requests": 2, "unknown": 0},
    {"day": date(2026, 11, 1), "kind": "shadow", "requests": 1, "unknown": 0},
]


@pytest.fixture
def old(empty_url: str) -> Iterator[Database]:
    """A database of version 0009 in which a tenant used something."""
    database = Database(empty_url)
    try:
        database.migrate("0009")
        with database.engine.begin() as connection:
            connection.execute(_INSERT, _OLD)
        yield database
    finally:
        database.close()


def test_old_usage_is_reported_under_the_new_words(old: Database) -> None:
    old.migrate()
    (entry,) = usage.report(old, "tenant").items
    assert (entry["requests"], entry["uncounted"]) == (3, 1)
    assert entry[RETRY] == {"requests": 2, "uncounted": 0, "prompt_tokens": 30, "completion_tokens": 20}
    assert "again" not in entry
    assert entry["shadow"]["requests"] == 1


def test_on_the_way_back_usage_has_its_old_words(old: Database) -> None:
    old.migrate()
    old.downgrade("0009")
    with old.engine.connect() as connection:
        rows = connection.execute(text("SELECT kind, requests, unknown FROM usage ORDER BY kind")).all()
    assert [tuple(row) for row in rows] == [("again", 2, 0), ("answer", 3, 1), ("shadow", 1, 0)]
