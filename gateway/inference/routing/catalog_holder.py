"""Holds the catalog in force, and tells subscribers when it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from postil.gateway.inference.routing.catalog import AdapterEntry, Catalog


@dataclass(frozen=True, slots=True)
class CatalogChange:
    """Adapters that are served differently now, each with how it was before (None: not at all).

    ``defaults`` are each domain's default adapter; ``moved`` says whether what answers for a domain may be another.
    """

    entries: Sequence[tuple[AdapterEntry, AdapterEntry | None]]
    defaults: Mapping[str, str]
    moved: bool


class CatalogHolder:
    """Holds the catalog that requests are routed by; ``current`` is read once for each request."""

    def __init__(self) -> None:
        self.current = Catalog()
        self._as_of = 0
        self._subscribers: list[Callable[[CatalogChange], None]] = []

    def subscribe(self, hear: Callable[[CatalogChange], None]) -> None:
        """Call ``hear`` with every change, after those who subscribed before."""
        self._subscribers.append(hear)

    def fill(self, entries: Sequence[AdapterEntry], defaults: Mapping[str, str]) -> None:
        """Serve these adapters and no others."""
        self.current = Catalog({str(entry.name): entry for entry in entries}, defaults)
        self._tell(CatalogChange([(entry, None) for entry in entries], defaults, moved=True))

    def swap(self, entry: AdapterEntry, defaults: Mapping[str, str], as_of: int | None = None) -> None:
        """Serve an adapter like this from the next request on.

        ``as_of`` is the event up to which ``defaults`` were read: older ones than those in force are left out, because
        adapters are changed side by side.
        """
        current = self.current
        if as_of is not None:
            defaults, self._as_of = (current.defaults if as_of < self._as_of else defaults), max(as_of, self._as_of)
        before = current.entries.get(str(entry.name))
        if entry == before and defaults == current.defaults:
            return
        moved = defaults != current.defaults or defaults.get(entry.name.domain) == entry.name.adapter
        self.current = current.with_adapter(entry, defaults)
        self._tell(CatalogChange([(entry, before)], defaults, moved))

    def _tell(self, change: CatalogChange) -> None:
        for hear in self._subscribers:
            hear(change)
