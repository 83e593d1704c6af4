"""Responses about adapters and releases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from postil.registry.releases.step_plan import StepPlan

# So many releases an adapter shows, as it shows its newest events; the lists of both have the others.
SHOWN = NEWEST_EVENTS


class CanarySteps(msgspec.Struct, kw_only=True):
    """The percentages that a canary goes through, the one that it is at (from 1), and whether it is held there."""

    steps: list[float]
    step: int
    held: bool


class ChannelShare(msgspec.Struct, kw_only=True):
    """The release that a canary or shadow points to, with its percentage of the traffic and its steps."""

    release: int
    weight: float
    since: str
    revision: int
    steps: CanarySteps | None


class _Published(msgspec.Struct, kw_only=True):
    """The contents of a release, its publisher, and the note given at publish.

    ``components`` and ``mismatches`` are null for releases that were published before plugin versions were recorded.
    ``warnings`` say what the publisher may not have meant.
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
    warnings: list[str]
    source: str
    note: str
    actor: str


class Yank(msgspec.Struct, kw_only=True):
    """When a release was taken back for the harm that it does, by whom, and why."""

    at: str
    actor: str
    reason: str


class Release(_Published, kw_only=True):
    """A release: its contents, its publisher, its time of publication, the note, and whether it was yanked."""

    created: str
    yanked: Yank | None


class PublishedRelease(_Published, kw_only=True):
    """The result of a publish.

    ``created`` is false if the same release already existed. ``policy_from`` says where its policy comes from:
    ``policy.yaml`` in the adapter's folder, the ``request``, or the policy ``in force``. ``left_out`` are files and
    folders that came with the adapter and that no release keeps.
    """

    created: bool
    policy_from: str
    left_out: list[str]


class AdapterRelease(Release, kw_only=True):
    """A release of an adapter: whether it is live or retired, and why it cannot be served here, if so."""

    live: bool
    retired: bool
    problem: str | None


class ReleasePage(msgspec.Struct, kw_only=True):
    """Releases of an adapter by number, oldest or newest first."""

    data: list[AdapterRelease]
    next: str | None


class AdapterSummary(msgspec.Struct, kw_only=True):
    """An adapter in a list: its live release, its channels, whether it is the default, and its number of releases."""

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

    For the rest see ``GET /api/v1/adapters/{domain}/{adapter}/releases`` and ``GET /api/v1/events?adapter=``. ``pins``
    maps tenants to release numbers, for keys that may see tenants; ``pinned`` counts pins by release number, for all.
    ``would_be_live`` is set only after a dry run.
    """

    revision: int
    pins: dict[str, int]
    pinned: dict[str, int]
    releases: list[AdapterRelease]
    events: list[Event]
    would_be_live: str | UnsetType = UNSET


# Converts an adapter, given the caller.
ViewAdapter = Callable[[AdapterState, Caller], Adapter]


def adapter_view(catalog: CatalogHolder, plugins: PluginManager) -> ViewAdapter:
    """Return the function that converts adapters of a gateway with this catalog and these plugins."""

    def view(state: AdapterState, caller: Caller) -> Adapter:
        return show_adapter(state, catalog.current, plugins, caller)

    return view


def show_adapter(state: AdapterState, catalog: Catalog, plugins: PluginManager, caller: Caller) -> Adapter:
    """Convert an adapter with its newest releases, its channels and its newest events."""
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
    """Convert an adapter for a list."""
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
    """Convert releases of an adapter."""
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
    """Convert one release."""
    return Release(**_published(row, plugins), created=stamp(row.created_at), yanked=_yank(row))


def show_published(
    row: tables.Release, plugins: PluginManager, *, created: bool, policy_from: str, left_out: Sequence[str]
) -> PublishedRelease:
    """Convert the result of a publish."""
    return PublishedRelease(
        **_published(row, plugins), created=created, policy_from=policy_from, left_out=list(left_out)
    )


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
        "warnings": row.warnings,
        "source": row.source,
        "note": row.note,
        "actor": row.actor,
    }


def _yank(row: tables.Release) -> Yank | None:
    if row.yanked_at is None:
        return None
    return Yank(at=stamp(row.yanked_at), actor=row.yanked_by or "", reason=row.yank_reason)


def _pins(pins: Mapping[str, int], caller: Caller) -> dict[str, int]:
    """Return the pins by tenant, if the caller may see tenants."""
    return dict(pins) if caller.may(Permission.SEE_KEYS) else {}


def _share(state: AdapterState, which: str) -> ChannelShare | None:
    """Convert a canary or shadow; None if there is none."""
    channel = state.channels.get(which)
    if channel is None or not channel.number:
        return None
    return ChannelShare(
        release=channel.number,
        weight=channel.weight,
        since=stamp(channel.moved_at),
        revision=channel.revision,
        steps=show_steps(state.steps) if which == CANARY else None,
    )


def show_steps(plan: StepPlan | None) -> CanarySteps | None:
    """Convert the steps of a canary."""
    return None if plan is None else CanarySteps(steps=list(plan.steps), step=plan.step + 1, held=plan.held)
