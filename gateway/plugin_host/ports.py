"""The interfaces between the gateway and the processes of installed plugins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from postil.plugins.contract import Component
from postil.plugins.types import ReleaseRef


class DidNotRunError(Exception):
    """A component gave no result; the text is a short phrase that says why."""


class Isolation(Protocol):
    """Runs components of installed plugins outside the gateway, each domain's in its own process."""

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
        """The result of a component's method. Raises DidNotRunError: it raised, took too long, or died."""

    async def check(
        self, domain: str, component: Component, method: str, arguments: tuple[Any, ...], seconds: float
    ) -> Any:
        """The result of a method of a built-in that may take long, outside the gateway too. Raises DidNotRunError."""

    async def in_thread(self, domain: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """The result of a function of ours that may wait for something, in one of a few threads that domains share.

        Raises DidNotRunError: it got no thread.
        """


class UsesComponents(Protocol):
    """The part of a release that ``make_ready`` needs: its components, each with its use in the policy."""

    @property
    def ref(self) -> ReleaseRef:
        """The name of the release."""

    @property
    def inputs(self) -> Sequence[tuple[object, Component]]:
        """Its input checks."""

    @property
    def validators(self) -> Sequence[tuple[object, Component]]:
        """Its validators."""

    @property
    def fallbacks(self) -> Sequence[tuple[object, Component]]:
        """Its fallback rules."""
