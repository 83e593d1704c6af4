"""What tenants' requests have shown of releases: added in batches, each once, and gone with what it is about."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import col, select, update

from postil.plugins import ReleaseRef
from postil.registry.accounts.forget import forget_tenant
from postil.registry.accounts.tenants import remove_tenant
from postil.registry.db.database import Database
from postil.registry.db.safety_tables import Evidence
from postil.registry.db.tables import Tenant, utcnow
from postil.registry.errors import NotFoundError
from postil.registry.releases import evidence
from postil.registry.releases.evidence import ENGINE_ERROR, KEPT, VALIDATOR_FAILURE, Batch, Shown, Subject
from postil.registry.releases.garbage import collect_garbage
from postil.registry.releases.service import Registry
from tests.registry.conftest import Publish
from tests.registry.releases.test_concurrency import MANY, at_once

REF = ReleaseRef("healthcare", "triage", 1)


@pytest.fixture(autouse=True)
def tenants(database: Database) -> None:
    """The tenants whose requests are weighed."""
    names = ("clinic", "bank", "tenant-0", "tenant-1", "tenant-2", "ada", "bob", "cy", "old", "new")
    with database.write() as session:
        session.add_all(Tenant(name=name, domains=["healthcare"]) for name in names)


def subject(tenant: str = "clinic", signal: str = VALIDATOR_FAILURE, number: int = 1) -> Subject:
    """Whose requests, and what was looked at."""
    return Subject("healthcare", "triage", number, tenant, signal)


def rows(database: Database) -> Counter[tuple[str, str, int, int]]:
    """All sums."""
    with database.read() as session:
        found = session.exec(select(Evidence)).all()
    return Counter((row.tenant, row.signal, row.seen, row.bad) for row in found)


def test_batches_of_several_gateways_add_up(database: Database) -> None:
    evidence.add(database, Batch("one", 1, {subject(): Shown(10, 2), subject("bank"): Shown(5, 0)}))
    evidence.add(database, Batch("two", 1, {subject(): Shown(1, 1)}))
    evidence.add(database, Batch("one", 2, {subject(): Shown(4, 0)}))
    assert rows(database) == Counter([("clinic", VALIDATOR_FAILURE, 15, 3), ("bank", VALIDATOR_FAILURE, 5, 0)])


def test_a_batch_that_is_sent_again_counts_once(database: Database) -> None:
    for _ in range(3):
        evidence.add(database, Batch("one", 1, {subject(): Shown(10, 2)}))
    assert rows(database) == Counter([("clinic", VALIDATOR_FAILURE, 10, 2)])


def test_gateways_that_add_at_once_lose_nothing(database: Database) -> None:
    at_once(lambda n: evidence.add(database, Batch(f"writer-{n}", 1, {subject(): Shown(2, 1)})))
    assert rows(database) == Counter([("clinic", VALIDATOR_FAILURE, 2 * MANY, MANY)])


def test_a_release_is_shown_by_signal_with_how_many_tenants(database: Database, publish: Publish) -> None:
    publish()
    shown = {subject(): Shown(10, 2), subject("bank"): Shown(5, 0), subject(signal=ENGINE_ERROR): Shown(10, 10)}
    evidence.add(database, Batch("one", 1, shown))
    found = [
        (one.signal, one.seen, one.bad, one.tenants, one.tenants_affected) for one in evidence.of_release(database, REF)
    ]
    assert found == [
        ("validator_failure", 15, 2, 2, 1),
        ("engine_error", 10, 10, 1, 1),
        ("fallback", 0, 0, 0, 0),
    ]


def test_tenants_are_listed_page_by_page(database: Database, publish: Publish) -> None:
    publish()
    evidence.add(database, Batch("one", 1, {subject(f"tenant-{n}"): Shown(n + 1, n) for n in range(3)}))
    first = evidence.by_tenant(database, REF, limit=2)
    second = evidence.by_tenant(database, REF, after=first.next, limit=2)
    assert [(row.tenant, row.bad) for row in (*first.items, *second.items)] == [
        ("tenant-0", 0),
        ("tenant-1", 1),
        ("tenant-2", 2),
    ]


def test_a_release_that_is_not_there_has_no_evidence(database: Database) -> None:
    with pytest.raises(NotFoundError):
        evidence.of_release(database, REF)
    with pytest.raises(NotFoundError):
        evidence.by_tenant(database, REF)


def test_who_uses_an_adapter_is_known_of_late(database: Database) -> None:
    evidence.add(database, Batch("one", 1, {subject(name): Shown(1, 0) for name in ("ada", "bob", "cy")}))
    assert evidence.users(database, utcnow() - timedelta(minutes=1)) == {"healthcare/triage": {"ada", "cy"}}
    assert evidence.users(database, utcnow() + timedelta(minutes=1)) == {}


def test_the_evidence_of_a_removed_tenant_is_gone(database: Database) -> None:
    evidence.add(database, Batch("one", 1, {subject(): Shown(10, 2), subject("bank"): Shown(5, 0)}))
    remove_tenant(database, "clinic", actor="ann")
    assert rows(database) == Counter([("bank", VALIDATOR_FAILURE, 5, 0)])


def test_the_evidence_of_a_removed_tenant_does_not_come_back_with_a_batch_that_was_on_its_way(
    database: Database,
) -> None:
    on_its_way = Batch("one", 1, {subject(): Shown(10, 2), subject("bank"): Shown(5, 0)})
    remove_tenant(database, "clinic", actor="ann")
    evidence.add(database, on_its_way)
    assert rows(database) == Counter([("bank", VALIDATOR_FAILURE, 5, 0)])
    forget_tenant(database, "clinic", actor="ann")
    evidence.add(database, replace(on_its_way, number=2))
    assert rows(database) == Counter([("bank", VALIDATOR_FAILURE, 10, 0)])


def test_a_tenant_that_is_removed_while_a_batch_is_stored_leaves_none_of_it(database: Database) -> None:
    def act(number: int) -> None:
        if number == 0:
            remove_tenant(database, "clinic", actor="ann")
        else:
            evidence.add(database, Batch(f"writer-{number}", 1, {subject(): Shown(2, 1)}))

    at_once(act)
    assert rows(database) == Counter()


def test_the_evidence_of_a_collected_release_is_gone(registry: Registry, publish: Publish) -> None:
    for seed in range(3):
        publish(seed=seed)
    shown = {subject(number=number): Shown(number, 0) for number in (1, 2, 3)}
    evidence.add(registry.database, Batch("one", 1, shown))
    collect_garbage(registry.database, registry.artifacts, keep=1, actor="ann")
    assert sorted(seen for _, _, seen, _ in rows(registry.database)) == [3]


def test_what_nothing_was_added_to_for_long_goes(database: Database) -> None:
    evidence.add(database, Batch("one", 1, {subject("old"): Shown(1, 0)}))
    with database.write() as session:
        session.execute(update(Evidence).where(col(Evidence.tenant) == "old").values(updated_at=utcnow() - 2 * KEPT))
    evidence.add(database, Batch("one", 2, {subject("new"): Shown(1, 0)}))
    assert sum(rows(database).values()) == 2
    evidence.add(database, Batch("two", 1, {subject("new"): Shown(1, 0)}))
    assert rows(database) == Counter([("new", VALIDATOR_FAILURE, 2, 0)])
