"""Evidence on its way to the database: nothing is lost and nothing counts twice, whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from sqlmodel import select

from postil.gateway.control.analysis.comparison import Seen
from postil.gateway.control.evidence_ledger import EvidenceLedger
from postil.plugins import ReleaseRef
from postil.registry.db.database import Database
from postil.registry.db.safety_tables import Evidence
from postil.registry.db.tables import Tenant
from tests.gateway.conftest import until

REF = ReleaseRef("healthcare", "triage", 1)


class Store:
    """A database that can be away."""

    def __init__(self, url: str) -> None:
        self.whole = Database(url)
        self.whole.migrate()
        with self.whole.write() as session:
            session.add_all(Tenant(name=name, domains=["healthcare"]) for name in ("clinic", "bank"))
        self.away = False

    def database(self) -> Database:
        """The database, if it is there."""
        if self.away:
            raise ConnectionError("away")
        return self.whole

    def sums(self) -> dict[tuple[str, str], tuple[int, int]]:
        """What is stored."""
        with self.whole.read() as session:
            rows = session.exec(select(Evidence)).all()
        return {(row.tenant, row.signal): (row.seen, row.bad) for row in rows}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty database."""
    return Store(f"sqlite:///{tmp_path}/postil.db")


def seen(tenant: str = "clinic", *, invalid: bool = False) -> Seen:
    """One request."""
    return Seen(invalid, False, False, 0.1, 0, tenant)


async def test_requests_are_added_up_by_tenant_and_signal(store: Store) -> None:
    ledger = EvidenceLedger(store.database)
    for one in (seen(), seen(invalid=True), seen("bank"), seen("")):
        ledger.add(REF, one)
    assert await ledger.flush()
    assert await ledger.flush()
    assert store.sums()["clinic", "validator_failure"] == (2, 1)
    assert store.sums()["clinic", "engine_error"] == (2, 0)
    assert store.sums()["bank", "fallback"] == (1, 0)
    assert {tenant for tenant, _ in store.sums()} == {"clinic", "bank"}


async def test_what_comes_while_the_database_is_away_is_kept_and_counts_once(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = EvidenceLedger(store.database)
    store.away = True
    for _ in range(3):
        ledger.add(REF, seen(invalid=True))
        assert not await ledger.flush()
    assert sum("evidence cannot be stored" in line for line in caplog.messages) == 1
    store.away = False
    await ledger.stop()
    assert store.sums()["clinic", "validator_failure"] == (3, 3)


async def test_what_is_lost_at_the_end_is_said(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    ledger = EvidenceLedger(store.database)
    ledger.add(REF, seen())
    store.away = True
    await ledger.stop()
    assert any("is lost" in line for line in caplog.messages)


async def test_who_uses_an_adapter_is_told_also_from_other_gateways(store: Store) -> None:
    ledger, elsewhere = EvidenceLedger(store.database), EvidenceLedger(store.database)
    told: list[Mapping[str, Iterable[str]]] = []
    ledger.on_users = told.append
    elsewhere.add(REF, seen("bank"))
    await elsewhere.flush()
    work = asyncio.create_task(ledger.run())
    await until(lambda: bool(told))
    work.cancel()
    assert told == [{"healthcare/triage": {"bank"}}]
    store.away = True
    await ledger.read_users()
    assert len(told) == 1
