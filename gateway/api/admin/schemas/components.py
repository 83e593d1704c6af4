"""Responses about plugins of a gateway and of a release."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from postil.plugins.installed import ComponentInfo
from postil.plugins.manager import PluginManager
from postil.registry.policy import components


class PluginVersion(msgspec.Struct, kw_only=True):
    """A plugin's version, and the Python package that provides it; empty for a single file."""

    version: str
    distribution: str
    distribution_version: str


class PluginMismatch(msgspec.Struct, kw_only=True):
    """A plugin that differs from the one at publish; ``installed`` is null if it is missing."""

    kind: str
    name: str
    recorded: PluginVersion
    installed: PluginVersion | None


class PluginComponent(msgspec.Struct, kw_only=True):
    """A component of a plugin: its origin, the process that runs it, and its configuration schema.

    For a validator, ``window`` is the number of characters that it needs at once; null means the whole answer. If that
    depends on the configuration, ``window_by_configuration`` is true. Other kinds have neither.
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
    """Components by kind and name."""

    data: list[PluginComponent]
    next: str | None


def show_mismatches(found: Sequence[components.Mismatch] | None) -> list[PluginMismatch] | None:
    """Convert the plugins that differ from those at publish; null if none were recorded."""
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
    """Convert a component."""
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
