"""The catalog in force: who hears of a change, and reads that overtake each other."""

from __future__ import annotations

from postil.gateway.inference.routing.catalog import AdapterEntry
from postil.gateway.inference.routing.catalog_holder import CatalogChange, CatalogHolder
from postil.registry.names import AdapterName
from tests.gateway.inference.routing.test_catalog import RELEASES

TRIAGE, NOTES = AdapterName("healthcare", "triage"), AdapterName("legal", "notes")


def entry(name: AdapterName, live: int = 1) -> AdapterEntry:
    """An adapter with its releases."""
    return AdapterEntry(name, RELEASES, {}, live)


def test_whoever_subscribed_hears_of_a_change_with_what_was_before() -> None:
    holder, heard = CatalogHolder(), list[CatalogChange]()
    holder.subscribe(heard.append)
    holder.swap(entry(TRIAGE), {"healthcare": "triage"})
    holder.swap(entry(TRIAGE, 2), {"healthcare": "triage"})
    assert [change.entries for change in heard] == [[(entry(TRIAGE), None)], [(entry(TRIAGE, 2), entry(TRIAGE))]]
    assert [change.moved for change in heard] == [True, True]


def test_nobody_hears_of_what_is_served_already() -> None:
    holder, heard = CatalogHolder(), list[CatalogChange]()
    holder.fill([entry(TRIAGE)], {"healthcare": "triage"})
    holder.subscribe(heard.append)
    holder.swap(entry(TRIAGE), {"healthcare": "triage"})
    assert heard == []


def test_an_adapter_that_answers_for_no_domain_moves_nothing() -> None:
    holder, heard = CatalogHolder(), list[CatalogChange]()
    holder.fill([entry(TRIAGE)], {"healthcare": "other"})
    holder.subscribe(heard.append)
    holder.swap(entry(TRIAGE, 2), {"healthcare": "other"})
    assert [change.moved for change in heard] == [False]


def test_defaults_that_were_read_before_those_in_force_change_nothing() -> None:
    holder = CatalogHolder()
    holder.swap(entry(NOTES), {"healthcare": "triage", "legal": "notes"}, as_of=8)
    holder.swap(entry(TRIAGE), {"healthcare": "triage"}, as_of=7)
    assert dict(holder.current.defaults) == {"healthcare": "triage", "legal": "notes"}
    assert set(holder.current.entries) == {"healthcare/triage", "legal/notes"}
    holder.swap(entry(TRIAGE), {"healthcare": "triage", "legal": "other"}, as_of=9)
    assert holder.current.defaults["legal"] == "other"
