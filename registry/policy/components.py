"""Versions of the plugins that a policy uses: recorded at publish, compared when a release is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from postil.plugins.errors import UnknownPluginError
from postil.plugins.hookspecs import PROJECT
from postil.plugins.manager import PluginManager
from postil.registry.errors import PolicyError
from postil.registry.policy.policy import Policy

# As stored with a release; None for releases from before versions were recorded.
Recorded = Sequence[Mapping[str, str]] | None


class ComponentVersion(NamedTuple):
    """A component and its version; ``distribution`` is the Python package that provides it, empty for a single file."""

    kind: str
    name: str
    version: str
    distribution: str
    distribution_version: str

    @property
    def identity(self) -> Sequence[str]:
        """Return what must match: for a built-in its own version, since postil's changes with every release."""
        return self[:4] if self.distribution == PROJECT else self

    def __str__(self) -> str:
        if self.distribution in ("", PROJECT):
            return f"version {self.version}"
        return f"version {self.version} of {self.distribution} {self.distribution_version}"


class Mismatch(NamedTuple):
    """A component that differs from the one at publish; ``installed`` is None if it is missing."""

    recorded: ComponentVersion
    installed: ComponentVersion | None

    def __str__(self) -> str:
        here = f"installed is {self.installed}" if self.installed else "none is installed"
        return f"{self.recorded.name} was published with {self.recorded}, and {here}"


def components_of(policy: Policy, plugins: PluginManager) -> list[ComponentVersion]:
    """Return each component that a policy names, as it is installed now. Raises UnknownPluginError."""
    named = [
        *(("input check", use.name) for use in policy.input),
        *(("validator", use.name) for use in policy.validators),
        *(("fallback rule", use.name) for use in policy.fallback),
    ]
    return [_installed(plugins, kind, name) for kind, name in sorted(set(named))]


def digest(components: Sequence[ComponentVersion]) -> str:
    """Return ``sha256:`` over what must match."""
    text = json.dumps(sorted(component.identity for component in components))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def record(components: Sequence[ComponentVersion]) -> list[dict[str, str]]:
    """Return the components as they are stored with a release."""
    return [component._asdict() for component in components]


def mismatches(recorded: Recorded, plugins: PluginManager) -> tuple[Mismatch, ...] | None:
    """Return the components that differ from those recorded; None if none were recorded."""
    if recorded is None:
        return None
    pairs = [(known, _found(plugins, known)) for known in (ComponentVersion(**one) for one in recorded)]
    return tuple(Mismatch(known, here) for known, here in pairs if here is None or here.identity != known.identity)


def check_pinned(policy: Policy, found: Sequence[Mismatch] | None) -> None:
    """Raise PolicyError with the remedy if a policy accepts only the recorded versions and they differ."""
    if found and policy.pinned == "strict":
        raise PolicyError(
            f"policy: {'; '.join(map(str, found))}: install what it was published with, or publish it again"
            " (it is pinned: strict)"
        )


def _found(plugins: PluginManager, known: ComponentVersion) -> ComponentVersion | None:
    try:
        return _installed(plugins, known.kind, known.name)
    except UnknownPluginError:
        return None


def _installed(plugins: PluginManager, kind: str, name: str) -> ComponentVersion:
    component = plugins.component(kind, name)
    return ComponentVersion(kind, name, component.version, *plugins.distribution(component))
