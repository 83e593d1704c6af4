"""Makes the catalog's entries out of adapters as the registry has them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from postil.gateway.inference.routing.catalog import COLLECTED, AdapterEntry, TrafficShare
from postil.gateway.inference.routing.release import LoadedRelease, load_release, release_spec
from postil.plugins import ReleaseRef
from postil.plugins.manager import PluginManager
from postil.registry.base_model.model import BaseModel
from postil.registry.errors import PolicyError
from postil.registry.policy.components import Mismatch, mismatches
from postil.registry.releases.channels import CANARY, SHADOW
from postil.registry.releases.state import AdapterState

log = logging.getLogger(__name__)


def make_entry(
    state: AdapterState, plugins: PluginManager, base: BaseModel, before: AdapterEntry | None = None
) -> AdapterEntry:
    """Make an adapter's releases ready. One that cannot be is told apart, and does not stop the others.

    What was ready ``before`` is taken over: a release never changes.
    """
    loaded: dict[int, LoadedRelease] = {}
    broken: dict[int, str] = {}
    changed = {release.number: mismatches(release.components, plugins) for release in state.releases}
    for release in state.releases:
        if release.yanked_at is not None:
            broken[release.number] = f"yanked: {release.yank_reason}"
        elif release.number in state.collected:
            broken[release.number] = COLLECTED
        elif before is not None and release.number in before.releases:
            loaded[release.number] = before.releases[release.number]
        elif release.base_revision != base.revision:
            broken[release.number] = f"made for another base ({release.base_id}, {release.base_revision[:19]})"
        else:
            try:
                loaded[release.number] = load_release(release_spec(release), plugins)
                _warn(loaded[release.number], changed[release.number])
            except PolicyError as error:
                broken[release.number] = str(error)
                _log_unservable(state.name.release(release.number), str(error), before)
    shares = {which: _share(state, which) for which in (CANARY, SHADOW)}
    return AdapterEntry(
        state.name,
        loaded,
        broken,
        state.live,
        state.previous,
        shares[CANARY],
        shares[SHADOW],
        state.pins,
        state.promoted,
        changed,
        state.retired,
        state.yanked,
        state.steps,
    )


def _log_unservable(ref: ReleaseRef, reason: str, before: AdapterEntry | None) -> None:
    """Log a release that cannot be served, once."""
    if before is None or before.broken.get(ref.number) != reason:
        log.error("%s is not served: %s", ref, reason)


def _warn(release: LoadedRelease, found: Sequence[Mismatch] | None) -> None:
    for mismatch in found or ():
        log.warning("%s is served with another plugin than it was published with: %s", release.ref, mismatch)


def _share(state: AdapterState, which: str) -> TrafficShare | None:
    channel = state.channels.get(which)
    return TrafficShare(channel.number, channel.weight) if channel and channel.number else None
