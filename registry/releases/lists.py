"""Adapters, releases and pins in pages."""

from __future__ import annotations

from collections.abc import Collection

from sqlmodel import col, select

from postil.registry.db.database import Database
from postil.registry.db.paging import DEFAULT_LIMIT, Order, Page, page
from postil.registry.db.tables import Pin, Release
from postil.registry.errors import NotFoundError
from postil.registry.names import AdapterName
from postil.registry.releases.state import AdapterState, adapter_states

_ADAPTERS = Order("adapters", [(col(Release.domain), str), (col(Release.adapter), str)])
_RELEASES = [(col(Release.number), int)]
_PINS = Order("pins", [(col(Pin.tenant), str), (col(Pin.domain), str), (col(Pin.adapter), str)])


def adapters(
    database: Database,
    *,
    domains: Collection[str] | None = None,
    after: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[AdapterState]:
    """The adapters, or those of some domains, by name, each without its events. Raises PagingError."""
    query = select(Release.domain, Release.adapter).distinct()
    if domains is not None:
        query = query.where(col(Release.domain).in_(domains))
    with database.read() as session:
        found = page(session, query, _ADAPTERS, after, limit, tuple)
        names = [AdapterName(*row) for row in found.items]
        states = {state.name: state for state in adapter_states(session, names)}
        return Page([states[name] for name in names], found.next)


def releases(
    database: Database,
    name: AdapterName,
    *,
    newest_first: bool = False,
    after: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Release]:
    """The releases of an adapter by number. Raises NotFoundError if there is no such adapter, or PagingError."""
    query = select(Release).where(Release.domain == name.domain, Release.adapter == name.adapter)
    with database.read() as session:
        found: Page[Release] = page(session, query, Order("releases", _RELEASES, newest_first), after, limit)
    if not found.items and after is None:
        raise NotFoundError(f"there is no adapter {name}; publish it, or see `postil releases` for those there are")
    return found


def pins(
    database: Database,
    *,
    name: AdapterName | None = None,
    tenant: str | None = None,
    domains: Collection[str] | None = None,
    after: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Pin]:
    """The pins by tenant: all, or of one adapter, tenant or some domains. Raises PagingError."""
    query = select(Pin)
    if name is not None:
        query = query.where(Pin.domain == name.domain, Pin.adapter == name.adapter)
    if tenant is not None:
        query = query.where(Pin.tenant == tenant)
    if domains is not None:
        query = query.where(col(Pin.domain).in_(domains))
    with database.read() as session:
        return page(session, query, _PINS, after, limit)
