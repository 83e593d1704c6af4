"""Lists: in pages, and at the same number of statements however many rows there are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import event

from postil.registry.accounts import keys, tenants, usage
from postil.registry.accounts.keys import KeyRequest, Role, add_key
from postil.registry.accounts.usage import Account, Batch, UsageRow
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.db.paging import Page, whole
from postil.registry.db.tables import Channel, Domain, Pin, Release, SigningKey, utcnow
from postil.registry.errors import NotFoundError
from postil.registry.names import AdapterName
from postil.registry.releases import garbage, history, lists
from postil.registry.releases.service import Registry
from postil.registry.reviews import reviews
from postil.registry.reviews.reviews import ReviewRequest
from postil.registry.signing.requirements import requirements

FIRST = AdapterName("d0", "a000")
Read = Callable[[Registry], Any]


def fill(database: Database, numbers: range) -> None:
    """Adapters with two releases each, live and pinned, and of everything else one row a number."""
    for number in numbers:
        name = AdapterName(f"d{number % 3}", f"a{number:03}")
        _, _, _ = tenants.add_tenant(database, f"t{number:03}", [name.domain], actor="ann")
        add_key(database, KeyRequest(f"p{number:03}", Role.VIEWER), actor="ann")
        ref = name.release(1)
        reviews.open_review(database, ReviewRequest(ref, "t000", {}, "x", "unsure", [], None))
        used = {Account(date(2026, 1, 1 + number % 28), f"t{number:03}", name.domain, name.adapter, 1, "answer"): USED}
        usage.add(database, Batch("writer", number + 1, used), 0.0)
        with database.write() as session:
            store.lock_for_writing(session)
            session.add_all([release(name, 1), release(name, 2), release(FIRST, 3 + number)])
            session.add(Channel(domain=name.domain, adapter=name.adapter, name="stable", number=1))
            session.add(Pin(tenant=f"t{number:03}", domain=name.domain, adapter=name.adapter, number=2))
            if number < 3:
                session.add(Domain(name=name.domain, default_adapter=name.adapter))
                session.add(SigningKey(domain=name.domain, fingerprint=f"{number}", pem="", added_at=utcnow()))
            store.record(session, actor="ann", action="promote", subject=str(name), reason="", after=1)


USED = UsageRow(1, 0, 10, 5)


def release(name: AdapterName, number: int) -> Release:
    """A row that fits the table."""
    return Release(
        domain=name.domain, adapter=name.adapter, number=number, artifact=f"sha256:{number:064x}", base_id="base",
        base_revision="c", policy={}, policy_digest="sha256:" + "1" * 64, validators={}, note="", actor="ann",
    )  # fmt: skip


LISTS: dict[str, Read] = {
    "adapters": lambda registry: lists.adapters(registry.database, limit=1000),
    "adapters of a domain": lambda registry: lists.adapters(registry.database, domains=["d0"], limit=1000),
    "releases": lambda registry: lists.releases(registry.database, FIRST, limit=1000),
    "events": lambda registry: history.events(registry.database, limit=1000),
    "live history": lambda registry: history.live_at(registry.database, utcnow(), limit=1000),
    "reviews": lambda registry: reviews.reviews(registry.database, limit=1000),
    "usage": lambda registry: usage.report(registry.database, "release", limit=1000),
    "tenants": lambda registry: tenants.tenants(registry.database, limit=1000),
    "keys": lambda registry: keys.list_keys(registry.database, limit=1000),
    "pins": lambda registry: lists.pins(registry.database, limit=1000),
}
WHOLE: dict[str, Read] = {
    "all adapters": Registry.adapters,
    "tenants and keys": lambda registry: tenants.tenants_and_keys(registry.database),
    "signature requirements": lambda registry: requirements(registry.database),
    "garbage": lambda registry: garbage.collect_garbage(
        registry.database, registry.artifacts, actor="ann", dry_run=True
    ),
}


@pytest.mark.parametrize("what", [*LISTS, *WHOLE])
def test_a_list_of_sixty_takes_no_more_statements_than_one_of_three(registry: Registry, what: str) -> None:
    said: list[str] = []
    event.listen(registry.database.engine, "before_cursor_execute", lambda *arguments: said.append(arguments[2]))
    read, counts = {**LISTS, **WHOLE}[what], []
    for numbers in (range(3), range(3, 60)):
        fill(registry.database, numbers)
        said.clear()
        read(registry)
        counts.append(len([sql for sql in said if sql.startswith(("SELECT", "WITH"))]))
    assert counts[0] == counts[1] <= 6


PAGED: dict[str, Callable[..., Page[Any]]] = {
    "adapters": lists.adapters,
    "releases": lambda database, **page: lists.releases(database, FIRST, **page),
    "newest releases": lambda database, **page: lists.releases(database, FIRST, newest_first=True, **page),
    "events": history.events,
    "newest events": lambda database, **page: history.events(database, newest_first=True, **page),
    "live history": lambda database, **page: history.live_at(database, utcnow(), **page),
    "reviews": reviews.reviews,
    "usage by tenant": lambda database, **page: usage.report(database, "tenant", **page),
    "usage by adapter": lambda database, **page: usage.report(database, "adapter", **page),
    "usage by release": lambda database, **page: usage.report(database, "release", **page),
    "usage by day": lambda database, **page: usage.report(database, "day", **page),
    "tenants": tenants.tenants,
    "keys": keys.list_keys,
    "pins": lists.pins,
}


@pytest.mark.parametrize("what", PAGED)
def test_the_pages_of_a_list_are_the_list(database: Database, what: str) -> None:
    fill(database, range(7))
    read = PAGED[what]
    every, after = whole(read, database), None
    found: list[Any] = []
    while True:
        page = read(database, after=after, limit=2)
        found += page.items
        if page.next is None:
            break
        assert len(page.items) == 2
        after = page.next
    assert repr(found) == repr(every)
    assert len(every) >= 7


def test_lists_of_some_domains_hold_nothing_of_others(database: Database) -> None:
    fill(database, range(6))
    own = ["d1", "d9"]
    assert [str(state.name) for state in lists.adapters(database, domains=own).items] == ["d1/a001", "d1/a004"]
    assert [(pin.tenant, pin.domain) for pin in lists.pins(database, domains=own).items] == [
        ("t001", "d1"),
        ("t004", "d1"),
    ]
    assert {event.subject for event in history.events(database, domains=own).items} == {"d1/a001", "d1/a004"}
    with database.write() as session:
        for subject, action in (("d1", "signature-require"), ("d1", "tenant-add"), ("d12/a", "promote")):
            store.record(session, actor="ann", action=action, subject=subject, reason="", after=1)
            session.flush()
    subjects = [event.action for event in history.events(database, domains=own).items]
    assert subjects == ["promote", "promote", "signature-require"]


def test_lists_of_one_adapter_or_tenant_or_of_some_actions(database: Database) -> None:
    fill(database, range(3))
    name = AdapterName("d1", "a001")
    assert [pin.tenant for pin in lists.pins(database, name=name).items] == ["t001"]
    assert [pin.adapter for pin in lists.pins(database, tenant="t002").items] == ["a002"]
    assert [event.subject for event in history.events(database, name=name).items] == ["d1/a001"]
    assert {event.action for event in history.events(database, actions=["promote"]).items} == {"promote"}
    assert [state.live for state in lists.adapters(database).items] == [1, 1, 1]
    (first, *_) = tenants.tenants(database).items
    assert (first.tenant.name, [key.owner for key in first.keys]) == ("t000", ["t000"])


def test_there_are_no_releases_of_an_adapter_that_there_is_not(database: Database) -> None:
    with pytest.raises(NotFoundError, match="there is no adapter d0/a000"):
        lists.releases(database, FIRST)
