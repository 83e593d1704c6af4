"""Adapters as they travel: what releases are made ready from, and not what they were made into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from postil.gateway.inference.routing.catalog import Entry, Share
from postil.gateway.inference.routing.release import Recipe, Servable, make_servable
from postil.plugins.manager import PluginManager
from postil.registry.errors import PolicyError
from postil.registry.names import AdapterName


@dataclass(frozen=True, slots=True)
class EntrySnapshot:
    """An ``Entry``. ``recipes`` are there only for releases that whoever gets it does not know."""

    name: AdapterName
    numbers: frozenset[int]
    recipes: Mapping[int, Recipe]
    broken: Mapping[int, str]
    live: int | None
    previous: int | None
    canary: Share | None
    shadow: Share | None
    pins: Mapping[str, int]
    promoted: bool


def snapshot(entry: Entry, known: frozenset[int] = frozenset()) -> EntrySnapshot:
    """An entry for somebody who has these releases of it already: a release never changes."""
    recipes = {number: _recipe(release) for number, release in entry.releases.items() if number not in known}
    return EntrySnapshot(
        entry.name,
        frozenset(entry.releases),
        recipes,
        entry.broken,
        entry.live,
        entry.previous,
        entry.canary,
        entry.shadow,
        entry.pins,
        entry.promoted,
    )


def restored(taken: EntrySnapshot, plugins: PluginManager, before: Entry | None) -> Entry:
    """The entry; a release whose plugins cannot be set up here is one that cannot be served here."""
    releases: dict[int, Servable] = {}
    broken = dict(taken.broken)
    for number in sorted(taken.numbers):
        if before is not None and number in before.releases:
            releases[number] = before.releases[number]
            continue
        try:
            releases[number] = make_servable(taken.recipes[number], plugins)
        except PolicyError as error:
            broken[number] = str(error)
    return Entry(
        taken.name,
        releases,
        broken,
        taken.live,
        taken.previous,
        taken.canary,
        taken.shadow,
        taken.pins,
        taken.promoted,
    )


def _recipe(release: Servable) -> Recipe:
    assert release.recipe is not None, "all that is served was made from one"
    return release.recipe
