"""Which versions of its plugins a policy is answered with: recorded at publish, compared when a release is loaded."""

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

# As a release keeps it; None is a release from before versions were recorded.
Recorded = Sequence[Mapping[str, str]] | None


class ComponentVersion(NamedTuple):
    """A component and its version; ``distribution`` is the Python package that brings it, empty for a single file."""

    kind: str
    name: str
    version: str
    distribution: str
    distribution_version: str

    @property
    def identity(self) -> Sequence[str]:
        """What has to be the same. A built-in's own version changes with its behaviour, postil's with anything."""
        return self[:4] if self.distribution == PROJECT else self

    def __str__(self) -> str:
        if self.distribution in ("", PROJECT):
            return f"version {self.version}"
        return f"version {self.version} of {self.distribution} {self.distribution_version}"


class Mismatch(NamedTuple):
    """A component that is not the one that a release was published with; ``installed`` is None if there is none."""

    recorded: ComponentVersion
    installed: ComponentVersion | None

    def __str__(self) -> str:
        here = f"installed is {self.installed}" if self.installed else "none is installed"
        return f"{self.recorded.name} was published with {self.recorded}, and {here}"


def components_of(policy: Policy, plugins: PluginManager) -> list[ComponentVersion]:
    """Everything that a policy names, each once, as it is installed now. Raises UnknownPluginError."""
    named = [
        *(("input check", use.name) for use in policy.input),
        *(("validator", use.name) for use in policy.validators),
        *(("fallback rule", use.name) for use in policy.fallback),
    ]
    return [_installed(plugins, kind, name) for kind, name in sorted(set(named))]


def digest(components: Sequence[ComponentVersion]) -> str:
    """``sha256:`` over what has to be the same of them."""
    text = json.dumps(sorted(component.identity for component in components))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def record(components: Sequence[ComponentVersion]) -> list[dict[str, str]]:
    """As a release keeps them."""
    return [component._asdict() for component in components]


def mismatches(recorded: Recorded, plugins: PluginManager) -> tuple[Mismatch, ...] | None:
    """The components that are not installed as they were recorded; None where nothing was recorded."""
    if recorded is None:
        return None
    pairs = [(known, _found(plugins, known)) for known in (ComponentVersion(**one) for one in recorded)]
    return tuple(Mismatch(known, here) for known, here in pairs if here is None or here.identity != known.identity)


def check_pinned(policy: Policy, found: Sequence[Mismatch] | None) -> None:
    """Raise PolicyError, which says what to do, where a policy takes no other versions than those recorded."""
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
