"""Runs the components of installed plugins, one process for each domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from postil.gateway.judge import DidNotRunError
from postil.plugins.manager import PluginManager


class Apart:
    """The processes, started as they are needed."""

    def __init__(self, plugins: PluginManager) -> None:
        self._plugins = plugins

    async def call(
        self, domain: str, kind: str, name: str, config: Mapping[str, Any], method: str, arguments: Sequence[Any],
        seconds: float,
    ) -> Any:
        """See ``postil.gateway.judge.Isolation``."""
        raise DidNotRunError("cannot be run")
