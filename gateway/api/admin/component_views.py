"""How the plugins of a release look in the admin API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from postil.registry.policy.components import ComponentVersion, Mismatch


def show_mismatches(found: Sequence[Mismatch] | None) -> list[dict[str, Any]] | None:
    """Plugins that are not the ones that a release was published with; null where that is unknown."""
    if found is None:
        return None
    return [
        {
            "kind": one.recorded.kind,
            "name": one.recorded.name,
            "recorded": _version(one.recorded),
            "installed": _version(one.installed) if one.installed else None,
        }
        for one in found
    ]


def _version(found: ComponentVersion) -> dict[str, str]:
    return {
        "version": found.version,
        "distribution": found.distribution,
        "distribution_version": found.distribution_version,
    }
