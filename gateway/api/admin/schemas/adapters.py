"""How adapters and releases look in the admin API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from postil.gateway.api.admin.schemas.components import PluginMismatch, show_mismatches
from postil.gateway.api.admin.schemas.events import Event, show_events
from postil.gateway.api.admin.schemas.times import stamp
from postil.gateway.inference.routing.catalog import Catalog
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.tenancy.directory import Caller
from postil.gateway.tenancy.permissions import Permission
from postil.plugins.manager import PluginManager
from postil.registry.db import tables
from postil.registry.policy.components import mismatches
from postil.registry.releases.channels import CANARY, SHADOW, STABLE
from postil.registry.releases.state import NEWEST_EVENTS, AdapterState

# So many releases an adapter shows, as it shows its newest events; the lists of both have the others.
SHOWN = NEWEST_EVENTS


class ChannelShare(msgspec.Struct, kw_only=True):
    """Where a canary or a shadow points, with its share of the traffic in per cent."""

    release: int
    weight: float
    since: str
    revision: int


class _Published(msgspec.Struct, kw_only=True):
    """What a release is made of, who published it, and the note that was given.

    ``components`` and ``mismatches`` are null for releases from before versions of plugins were recorded.
    """

    release: str
    number: int
    artifact: str
    base: str
    base_revision: str
    policy: dict[str, Any]
    calibration: dict[str, float]
    policy_digest: str
    validators: dict[str, str]
    components: list[dict[str, str]] | None
    mismatches: list[PluginMismatch] | None
    source: str
    note: str
    actor: str


class Release(_Published, kw_only=True):
    """A release: what it is made of, who published it, when, and the note that was given."""

    created: str


class PublishedRelease(_Published, kw_only=True):
    """What a publish made.

    ``created`` is false where the same release was there already. ``policy_from`` says which policy it has: that of
    ``policy.yaml`` beside the adapter, that of the ``request``, or the one ``in force``.
    """

    created: bool
    policy_from: str


class AdapterRelease(Release, kw_only=True):
    """A release of an adapter, whether it is live or retired, and why it cannot be served here, if so."""

    live: bool
    retired: bool
    problem: str | None


class ReleasePage(msgspec.Struct, kw_only=True):
    """Releases of an adapter by number: the oldest first, or the newest."""

    data: list[AdapterRelease]
    next: str | None


class AdapterSummary(msgspec.Struct, kw_only=True):
    """An adapter in a list: what is live and tried, whether it answers for its domain, and how many releases it has."""

    adapter: str
    live: int | None
    live_since: str | None
    canary: ChannelShare | None
    shadow: ChannelShare | None
    default: bool
    retired: bool
    release_count: int


class AdapterPage(msgspec.Struct, kw_only=True):
    """Adapters by name."""

    data: list[AdapterSummary]
    next: str | None


class Adapter(AdapterSummary, kw_only=True):
    """An adapter with its newest 100 releases, newest first, and its newest 100 events, oldest first.

    The others: ``GET /api/v1/adapters/{domain}/{adapter}/releases`` and ``GET /api/v1/events?adapter=``. ``pins`` are
    release numbers by tenant, for those who may know who the tenants are; ``pinned`` counts them by release number for
    everybody. ``would_be_live`` is there after a dry run only.
    """

    revision: int
    pins: dict[str, int]
    pinned: dict[str, int]
    releases: list[AdapterRelease]
    events: list[Event]
    would_be_live: str | UnsetType = UNSET


# How an adapter looks to whoever asks.
ViewAdapter = Callable[[AdapterState, Caller], Adapter]


def adapter_view(catalog: CatalogHolder, plugins: PluginManager) -> ViewAdapter:
    """How adapters look on a gateway with this catalog and these plugins."""

    def view(state: AdapterState, caller: Caller) -> Adapter:
        return show_adapter(state, catalog.current, plugins, caller)

    return view


def show_adapter(state: AdapterState, catalog: Catalog, plugins: PluginManager, caller: Caller) -> Adapter:
    """An adapter with its newest releases, where its channels point, and what was done to it last."""
    stable = state.channels.get(STABLE)
    newest = state.releases[: -SHOWN - 1 : -1]
    return Adapter(
        **msgspec.structs.asdict(show_summary(state)),
        revision=stable.revision if stable else 0,
        pins=_pins(state.pins, caller),
        pinned={str(number): tenants for number, tenants in sorted(Counter(state.pins.values()).items())},
        releases=show_releases(newest, state, catalog, plugins),
        events=show_events(state.events[-SHOWN:], caller),
    )


def show_summary(state: AdapterState) -> AdapterSummary:
    """An adapter as lists show it."""
    stable = state.channels.get(STABLE)
    return AdapterSummary(
        adapter=str(state.name),
        live=state.live,
        live_since=stamp(stable.moved_at) if stable else None,
        canary=_share(state, CANARY),
        shadow=_share(state, SHADOW),
        default=state.default,
        retired=state.retired.adapter,
        release_count=len(state.releases),
    )


def show_releases(
    rows: Iterable[tables.Release], state: AdapterState, catalog: Catalog, plugins: PluginManager
) -> list[AdapterRelease]:
    """Some releases of an adapter."""
    entry = catalog.entries.get(str(state.name))
    broken = entry.broken if entry else {}
    return [
        AdapterRelease(
            **msgspec.structs.asdict(show_release(row, plugins)),
            live=row.number == state.live,
            retired=row.number in state.retired.releases,
            problem=broken.get(row.number),
        )
        for row in rows
    ]


def show_release(row: tables.Release, plugins: PluginManager) -> Release:
    """A release by itself."""
    return Release(**_published(row, plugins), created=stamp(row.created_at))


def show_published(row: tables.Release, plugins: PluginManager, *, created: bool, policy_from: str) -> PublishedRelease:
    """A release that was just published, or was there already."""
    return PublishedRelease(**_published(row, plugins), created=created, policy_from=policy_from)


def _published(row: tables.Release, plugins: PluginManager) -> dict[str, Any]:
    return {
        "release": f"{row.domain}/{row.adapter}@{row.number}",
        "number": row.number,
        "artifact": row.artifact,
        "base": row.base_id,
        "base_revision": row.base_revision,
        "policy": row.policy,
        "calibration": row.calibration,
        "policy_digest": row.policy_digest,
        "validators": row.validators,
        "components": row.components,
        "mismatches": show_mismatches(mismatches(row.components, plugins)),
        "source": row.source,
        "note": row.note,
        "actor": row.actor,
    }


def _pins(pins: Mapping[str, int], caller: Caller) -> dict[str, int]:
    """Which tenant keeps which release, for those who may know who the tenants are."""
    return dict(pins) if caller.may(Permission.SEE_KEYS) else {}


def _share(state: AdapterState, which: str) -> ChannelShare | None:
    """A canary or shadow, or None where there is none."""
    channel = state.channels.get(which)
    if channel is None or not channel.number:
        return None
    return ChannelShare(
        release=channel.number,
        weight=channel.weight,
        since=stamp(channel.moved_at),
        revision=channel.revision,
    )
