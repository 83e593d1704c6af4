"""Runs the components of installed plugins, one process for each domain.

A call costs the caller a round trip to another process, some 0.2 ms, and a domain 21 MiB of memory; other
domains are not affected: a plugin that raises, hangs, computes for ever or ends its process is a call of one domain
that did not run. See deploy/decisions/0007.
"""

from __future__ import annotations

import asyncio
import pickle
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from postil.gateway.plugin_host.domain_process import DomainProcess
from postil.gateway.plugin_host.ports import DidNotRunError, UsesComponents
from postil.gateway.plugin_host.protocol import ComponentSpec
from postil.gateway.plugin_host.spawn import spawn
from postil.plugins.errors import UnknownPluginError
from postil.plugins.installed import InstalledComponent
from postil.plugins.manager import PluginManager


class PluginHost:
    """The processes, started as they are needed. What plugins print goes to files in the folder ``logs``."""

    def __init__(self, plugins: PluginManager, logs: Path) -> None:
        self._plugins = plugins
        self._logs = logs
        self._domains: dict[str, DomainProcess] = {}
        # One thread that lasts as long as this does: the processes end with the thread that started them.
        self._starter = ThreadPoolExecutor(1, "plugin-processes")
        self._stopped = False

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
        """Call a method of a component in its domain's process; see ``ports.Isolation``."""
        needed = self._needed(kind, name, config)
        return await self._domain(domain).call(needed, method, _packed(tuple(arguments)), seconds)

    def make_ready(self, releases: Iterable[UsesComponents]) -> None:
        """Set up the installed plugins of these releases before the first request needs them."""
        wanted: defaultdict[str, list[ComponentSpec]] = defaultdict(list)
        for release in releases:
            for _, component in chain(release.inputs, release.validators, release.fallbacks):
                if isinstance(component, InstalledComponent):
                    with suppress(DidNotRunError):  # It is said, with the reason, when it is called.
                        wanted[release.ref.domain].append(_spec(type(component), component.config))
        for domain, components in wanted.items():
            if not self._stopped:
                self._domain(domain).prepare(components)

    def pid(self, domain: str) -> int | None:
        """The id of a domain's process, if it has one now."""
        return self._domains[domain].pid if domain in self._domains else None

    async def stop(self) -> None:
        """End every process and return when they have ended. Calls in progress count as not run."""
        self._stopped = True
        await asyncio.gather(*(domain.stop() for domain in self._domains.values()))
        self._starter.shutdown()

    def _domain(self, name: str) -> DomainProcess:
        if self._stopped:
            raise DidNotRunError("was not begun: the gateway is stopping")
        if name not in self._domains:
            self._domains[name] = DomainProcess(name, self._starter, partial(spawn, name, self._logs))
        return self._domains[name]

    def _needed(self, kind: str, name: str, config: Mapping[str, Any]) -> ComponentSpec:
        try:
            component = self._plugins.component(kind, name)
        except UnknownPluginError:
            raise DidNotRunError("is not installed") from None
        if not issubclass(component, InstalledComponent):
            raise DidNotRunError("is not installed, but came with postil")
        return _spec(component, config)


def _spec(component: type[InstalledComponent], config: Mapping[str, Any]) -> ComponentSpec:
    info = component.info
    packed = _packed(dict(config))
    return ComponentSpec(info.kind, info.name, info.version, info.plugin, info.qualname, packed, component.source)


def _packed(content: object) -> bytes:
    try:
        return pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise DidNotRunError(f"was given what cannot be sent to its process ({type(error).__name__})") from error
