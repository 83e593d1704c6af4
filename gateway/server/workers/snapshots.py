"""Adapters in a form that can be sent to workers: release specs instead of loaded releases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from postil.gateway.inference.routing.catalog import AdapterEntry, TrafficShare
from postil.gateway.inference.routing.release import LoadedRelease, ReleaseSpec, load_release
from postil.plugins.manager import PluginManager
from postil.registry.errors import PolicyError
from postil.registry.names import AdapterName
from postil.registry.releases.history import Retired


@dataclass(frozen=True, slots=True)
class EntrySnapshot:
    """An ``AdapterEntry``; ``specs`` holds only the releases that the receiver does not know yet."""

    name: AdapterName
    numbers: frozenset[int]
    specs: Mapping[int, ReleaseSpec]
    broken: Mapping[int, str]
    live: int | None
    previous: int | None
    canary: TrafficShare | None
    shadow: TrafficShare | None
    pins: Mapping[str, int]
    promoted: bool
    retired: Retired
    yanked: frozenset[int]


def snapshot(entry: AdapterEntry, known: frozenset[int] = frozenset()) -> EntrySnapshot:
    """Return an entry for a receiver that knows these releases already; releases never change."""
    specs = {number: _spec(release) for number, release in entry.releases.items() if number not in known}
    return EntrySnapshot(
        entry.name,
        frozenset(entry.releases),
        specs,
        entry.broken,
        entry.live,
        entry.previous,
        entry.canary,
        entry.shadow,
        entry.pins,
        entry.promoted,
        entry.retired,
        entry.yanked,
    )


def restored(taken: EntrySnapshot, plugins: PluginManager, before: AdapterEntry | None) -> AdapterEntry:
    """Rebuild the entry; a release whose plugins cannot be set up here is marked as not servable."""
    releases: dict[int, LoadedRelease] = {}
    broken = dict(taken.broken)
    for number in sorted(taken.numbers):
        if before is not None and number in before.releases:
            releases[number] = before.releases[number]
            continue
        try:
            releases[number] = load_release(taken.specs[number], plugins)
        except PolicyError as error:
            broken[number] = str(error)
    return AdapterEntry(
        taken.name,
        releases,
        broken,
        taken.live,
        taken.previous,
        taken.canary,
        taken.shadow,
        taken.pins,
        taken.promoted,
        retired=taken.retired,
        yanked=taken.yanked,
    )


def _spec(release: LoadedRelease) -> ReleaseSpec:
    assert release.spec is not None, "all that is served was made from one"
    return release.spec
