"""How tables show plugins whose versions differ from those at publish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def describe_mismatches(found: Sequence[Mapping[str, Any]] | None) -> str:
    """Return ``length: 1 -> 2``, one line each; empty if all match, ``unknown`` if none were recorded."""
    return "unknown" if found is None else "\n".join(map(_mismatch, found))


def _mismatch(one: Mapping[str, Any]) -> str:
    """Return both versions, or both packages where the plugin's own version is the same."""
    before, after = one["recorded"], one["installed"]
    if after is None:
        return f"{one['name']}: {before['version']} -> not installed"
    if before["version"] != after["version"]:
        return f"{one['name']}: {before['version']} -> {after['version']}"
    return f"{one['name']}: {_package(before)} -> {_package(after)}"


def _package(version: Mapping[str, str]) -> str:
    return f"{version['distribution']} {version['distribution_version']}".strip() or "no package"
