"""What the log tells of a time: how one is written, and what was gone by then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from postil.registry.db import audit_chain
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.tables import Event, utcnow
from postil.registry.errors import TextError
from postil.registry.names import AdapterName
from postil.registry.releases import audit, history

TRIAGE = AdapterName("healthcare", "triage")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T12:00", datetime(2026, 11, 1, 12, tzinfo=UTC)),
        ("2026-11-01T12:00Z", datetime(2026, 11, 1, 12, tzinfo=UTC)),
        ("2026-11-01T12:00+02:00", datetime(2026, 11, 1, 12, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_a_time_without_a_zone_is_utc(written: str, meant: datetime) -> None:
    read = history.parse_instant(written)
    assert read == meant
    assert read.utcoffset() == meant.utcoffset()


@pytest.mark.parametrize("written", ["", "yesterday", "2026-13-01", "x" * 500])
def test_what_is_no_time_is_refused_in_one_sentence(written: str) -> None:
    with pytest.raises(TextError, match=r"^'.{0,50}' is not a time; write one such as 2026-11-01T12:00$"):
        history.parse_instant(written)


def test_a_release_is_gone_from_its_collection_until_its_restoration(database: Database) -> None:
    moves = [("collect", 1, None), ("collect", 2, None), ("restore", None, 1)]
    # Rows that name no release, as somebody's hand may have left them, take nothing away and bring nothing back.
    for action, before, after in [*moves, ("collect", None, None), ("restore", None, None)]:
        with database.write() as session:
            store.record(
                session, actor="ann", action=action, subject=str(TRIAGE), reason="", before=before, after=after
            )
    with database.read() as session:
        assert history.collected(session, TRIAGE) == {2}
        assert history.collected(session, AdapterName("healthcare", "notes")) == set()


def chained(database: Database, count: int) -> None:
    """A log of so many events, of a kind that leaves nothing in the tables."""
    with database.write() as session:
        previous = audit_chain.GENESIS
        for sequence in range(1, count + 1):
            row = Event(
                sequence=sequence, at=utcnow(), actor="ann", action="collect", subject="a/b", reason="",
                previous=previous, hash="",
            )  # fmt: skip
            previous = audit_chain.seal(row).hash
            session.add(row)


@pytest.mark.parametrize(
    ("tampering", "report"),
    [
        ("SELECT 1", (2003, None)),
        ("UPDATE event SET reason = 'x' WHERE sequence = 1", (2003, 1)),
        ("UPDATE event SET reason = 'x' WHERE sequence = 1000", (2003, 1000)),
        ("UPDATE event SET reason = 'x' WHERE sequence = 1001", (2003, 1001)),
        ("DELETE FROM event WHERE sequence = 1000", (2002, 1000)),
        ("DELETE FROM event WHERE sequence = 2003", (2002, None)),
        ("UPDATE event SET sequence = -5 WHERE sequence = 1500", (2003, 1)),
        ("DELETE FROM event", (0, None)),
    ],
)
def test_a_log_of_several_chunks_is_verified_as_if_it_were_read_whole(
    database: Database, tampering: str, report: tuple[int, int | None]
) -> None:
    chained(database, 2003)
    with database.write() as session:
        session.connection().exec_driver_sql(tampering)
    rows = history.log(database)
    assert (len(rows), audit_chain.first_break(rows)) == report
    assert audit.verify(database) == audit.Report(*report, [])
