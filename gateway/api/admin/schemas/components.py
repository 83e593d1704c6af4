"""How the plugins of a gateway, and those of a release, look in the admin API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from postil.plugins.installed import ComponentInfo
from postil.plugins.manager import PluginManager
from postil.registry.policy import components


class PluginVersion(msgspec.Struct, kw_only=True):
    """The version of a plugin, and the Python package that brings it, which is empty for a single file."""

    version: str
    distribution: str
    distribution_version: str


class PluginMismatch(msgspec.Struct, kw_only=True):
    """A plugin that is not the one that a release was published with; ``installed`` is null if there is none."""

    kind: str
    name: str
    recorded: PluginVersion
    installed: PluginVersion | None


class PluginComponent(msgspec.Struct, kw_only=True):
    """One thing that a plugin offers: where it comes from, where it runs, and its configuration.

    Of a validator, ``window`` is how many characters it has to see at once, null for all of the answer; if it depends
    on the configuration, ``window_by_configuration`` is true. Other kinds have neither.
    """

    kind: str
    name: str
    version: str
    plugin: str
    distribution: str | None
    distribution_version: str | None
    runs_apart: bool
    config_schema: dict[str, Any]
    window: int | UnsetType | None = UNSET
    window_by_configuration: bool | UnsetType = UNSET
    needs_tokens: bool | UnsetType = UNSET


class PluginPage(msgspec.Struct, kw_only=True):
    """Plugins by kind and name."""

    data: list[PluginComponent]
    next: str | None


def show_mismatches(found: Sequence[components.Mismatch] | None) -> list[PluginMismatch] | None:
    """Plugins that are not the ones that a release was published with; null where that is unknown."""
    if found is None:
        return None
    return [
        PluginMismatch(
            kind=one.recorded.kind,
            name=one.recorded.name,
            recorded=_version(one.recorded),
            installed=_version(one.installed) if one.installed else None,
        )
        for one in found
    ]


def show_component(plugins: PluginManager, row: ComponentInfo) -> PluginComponent:
    """A component as the API shows it."""
    component = plugins.component(row.kind, row.name)
    distribution, version = plugins.distribution(component)
    shown = PluginComponent(
        kind=row.kind,
        name=row.name,
        version=row.version,
        plugin=row.plugin,
        distribution=distribution or None,
        distribution_version=version or None,
        runs_apart=not plugins.is_builtin(component),
        config_schema=row.schema,
    )
    if row.kind == "validator":
        shown.window = row.window
        shown.window_by_configuration = row.window_by_configuration
        shown.needs_tokens = row.needs_tokens
    return shown


def _version(found: components.ComponentVersion) -> PluginVersion:
    return PluginVersion(
        version=found.version,
        distribution=found.distribution,
        distribution_version=found.distribution_version,
    )
