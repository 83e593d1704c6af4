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
    plugins: PluginManager
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


def ward_of(logs: Path, plugins: PluginManager | None = None) -> Ward:
    """Processes for these plugins, else for those in the folder beside this file; the caller stops them."""
    plugins = plugins or PluginManager(entry_points=False, folder=FOLDER)
    return Ward(PluginHost(plugins, logs), plugins, logs)


@pytest.fixture
async def ward(tmp_path: Path) -> AsyncIterator[Ward]:
    """Processes for the plugins in the folder beside this file."""
    ward = ward_of(tmp_path / "logs")
    yield ward
    await ward.plugin_host.stop()
