"""What a table says of plugins that are not the ones that a release was published with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def describe_mismatches(found: Sequence[Mapping[str, Any]] | None) -> str:
    """``length: 1 -> 2``, a line each; nothing where all are as recorded, ``unknown`` where nothing was recorded."""
    return "unknown" if found is None else "\n".join(map(_mismatch, found))


def _mismatch(one: Mapping[str, Any]) -> str:
    """The versions; of those whose own version is the same, the packages that bring them."""
    before, after = one["recorded"], one["installed"]
    if after is None:
        return f"{one['name']}: {before['version']} -> not installed"
    if before["version"] != after["version"]:
        return f"{one['name']}: {before['version']} -> {after['version']}"
    return f"{one['name']}: {_package(before)} -> {_package(after)}"


def _package(version: Mapping[str, str]) -> str:
    return f"{version['distribution']} {version['distribution_version']}".strip() or "no package"
