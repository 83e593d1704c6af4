"""Real processes with real plugins in them, most of which misbehave."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from postil.gateway.plugin_host.host import PluginHost
from postil.gateway.plugin_host.ports import DidNotRunError
from postil.plugins import Completion, ReleaseRef, RequestContext
from postil.plugins.manager import PluginManager

FOLDER = Path(__file__).parent / "folder"
EXCHANGE = RequestContext(ReleaseRef("legal", "notes", 1), "firm", {"messages": []})


@dataclass
class Ward:
    """Processes of plugins, and short ways to call them."""

    plugin_host: PluginHost
    logs: Path

    async def judged(
        self,
        does: str = "pass",
        *,
        domain: str = "legal",
        name: str = "faulty",
        text: str = "no",
        seconds: float = 20.0,
        at_first: str = "nothing",
    ) -> Any:
        """What the validator returns, or the reason why it did not run."""
        config = {"does": does, "at_first": at_first} if name.startswith("faulty") else {}
        return await self.called("validator", name, config, "judge", (EXCHANGE, Completion(text)), domain, seconds)

    async def called(
        self,
        kind: str,
        name: str,
        config: dict[str, Any],
        method: str,
        arguments: Sequence[Any],
        domain: str = "legal",
        seconds: float = 20.0,
    ) -> Any:
        """What a component returns, or the reason why it did not run."""
        try:
            return await self.plugin_host.call(domain, kind, name, config, method, arguments, seconds)
        except DidNotRunError as error:
            return str(error)

    def log(self, domain: str = "legal") -> Path:
        """Where the plugins of a domain print to."""
        return self.logs / f"plugins-{domain}.log"


def alive(process: str | int | None) -> bool:
    """Whether a process is there, and more than an entry in a table."""
    try:
        return psutil.Process(int(process or 0)).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
async def ward(tmp_path: Path) -> AsyncIterator[Ward]:
    """Processes for the plugins in the folder beside this file."""
    plugin_host = PluginHost(PluginManager(entry_points=False, folder=FOLDER), tmp_path / "logs")
    yield Ward(plugin_host, tmp_path / "logs")
    await plugin_host.stop()
