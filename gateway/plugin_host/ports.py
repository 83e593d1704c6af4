"""What the rest of the gateway knows of the processes in which installed plugins run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from postil.plugins.contract import Component
from postil.plugins.types import ReleaseRef


class DidNotRunError(Exception):
    """A component gave no result; the text is a short phrase that says why."""


class Isolation(Protocol):
    """Where the components of installed plugins run: apart from the gateway, one domain apart from another."""

    async def call(
        self,
        domain: str,
        kind: str,
        name: str,
        config: Mapping[str, Any],
        method: str,
        arguments: Sequence[Any],
        seconds: float,
    ) -> Any:
        """What ``method`` of such a component returns. Raises DidNotRunError: it raised, took too long, or died."""


class UsesComponents(Protocol):
    """A release, as far as its components have to be ready: each stands beside what the policy says of it."""

    @property
    def ref(self) -> ReleaseRef:
        """Which release it is."""

    @property
    def inputs(self) -> Sequence[tuple[object, Component]]:
        """Its input checks."""

    @property
    def validators(self) -> Sequence[tuple[object, Component]]:
        """Its validators."""

    @property
    def fallbacks(self) -> Sequence[tuple[object, Component]]:
        """Its fallback rules."""
