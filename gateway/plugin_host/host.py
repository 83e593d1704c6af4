"""Runs the components of installed plugins, one process for each domain.

A call costs the caller a round trip to another process, some 0.2 ms, and a domain 21 MiB of memory; other
domains are not affected: a plugin that raises, hangs, computes for ever or ends its process is a call of one domain
that did not run. See deploy/decisions/0007.
"""

from __future__ import annotations

import asyncio
import pickle
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from postil.gateway.fair_slots import FairSlots, NoSlotError
from postil.gateway.plugin_host.call import in_time
from postil.gateway.plugin_host.checks import CheckProcesses, Work
from postil.gateway.plugin_host.domain_process import DomainProcess
from postil.gateway.plugin_host.ports import DidNotRunError, UsesComponents
from postil.gateway.plugin_host.protocol import ComponentSpec
from postil.gateway.plugin_host.spawn import spawn
from postil.gateway.settings import Settings
from postil.plugins import builtin
from postil.plugins.collect import KINDS
from postil.plugins.contract import Component
from postil.plugins.cost import is_larger
from postil.plugins.errors import UnknownPluginError
from postil.plugins.installed import InstalledComponent
from postil.plugins.landlock import Sandbox
from postil.plugins.manager import PluginManager
from postil.plugins.types import Completion

# No domain can be called so.
_CHECKS = "_checks"
# They are waited for by answers, and are few: they give way a little, and are not starved beside a busy engine.
_CHECKS_NICER = 2
# What no process is sent; the contexts of models that a machine can serve are smaller.
MOST_CHARACTERS = 1 << 20
# For gates, listeners and checks that are given in code, which wait for files and networks.
_THREADS = 16
# So long a call waits for one of them, if its own deadline is not before.
_TURN_SECONDS = 60.0
# A release is not kept from going live for longer by plugins that are slow to set up.
_READY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ProcessBounds:
    """What the processes may take: memory of a domain's, and number, memory and seconds a call of those for checks."""

    plugin_bytes: int = 4 << 30
    check_processes: int = 4
    check_bytes: int = 512 << 20
    check_seconds: float = 10.0
    sandbox: Sandbox | None = None


def process_bounds(settings: Settings, sandbox: Sandbox | None, shared_by: int = 1) -> ProcessBounds:
    """The bounds that settings name; processes for checks are ``shared_by`` so many, who have two each at least."""
    return ProcessBounds(
        settings.plugin_memory_mib << 20,
        settings.check_processes if shared_by == 1 else max(2, settings.check_processes // shared_by),
        settings.check_memory_mib << 20,
        settings.check_seconds,
        sandbox,
    )


class PluginHost:
    """The processes, started as they are needed. What plugins print goes to files in the folder ``logs``."""

    def __init__(self, plugins: PluginManager, logs: Path, bounds: ProcessBounds | None = None) -> None:
        self._plugins = plugins
        self._logs = logs
        self._bounds = bounds or ProcessBounds()
        self._domains: dict[str, DomainProcess] = {}
        # One thread that lasts as long as this does: the processes end with the thread that started them.
        self._starter = ThreadPoolExecutor(1, "plugin-processes")
        self._threads = ThreadPoolExecutor(_THREADS, "listeners")
        self._slots = FairSlots(_THREADS)
        self._checks = CheckProcesses(
            self._starter,
            partial(spawn, _CHECKS, logs, self._bounds.check_bytes, self._bounds.sandbox, nicer=_CHECKS_NICER),
            self._bounds.check_processes,
        )
        self._specs: WeakKeyDictionary[Component, ComponentSpec] = WeakKeyDictionary()
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

    async def check(
        self, domain: str, component: Component, method: str, arguments: tuple[Any, ...], seconds: float
    ) -> Any:
        """Call a method of a built-in in a process of its own; see ``ports.Isolation``."""
        seconds = min(seconds, self._bounds.check_seconds)
        if is_larger(arguments[-1], MOST_CHARACTERS):
            raise DidNotRunError(f"was given more than {MOST_CHARACTERS} characters")
        if not component.__module__.startswith(builtin.__name__):  # In code: only this process can have it.
            return await in_time(partial(self.in_thread, domain, getattr(component, method), arguments), seconds)
        needed = self._spec_of(component)
        packed = _packed(_needed_of(component, arguments))
        if component.foreign:
            return await self._domain(domain).call(needed, method, packed, seconds)
        tenant = getattr(arguments[0], "tenant", "")
        return await self._checks.call(Work(domain, tenant, needed, method, packed, seconds))

    async def in_thread(self, domain: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Call a function in one of a few threads; see ``ports.Isolation``.

        A thread cannot be ended: a call that takes longer than its caller waits keeps its slot until it returns.
        """
        tenant = getattr(arguments[0], "tenant", "") if arguments else ""
        try:
            await self._slots.take(domain, tenant, _TURN_SECONDS)
        except NoSlotError as error:
            raise DidNotRunError(str(error)) from None
        loop = asyncio.get_running_loop()
        work = self._threads.submit(partial(function, *arguments))
        work.add_done_callback(lambda _: _in_loop(loop, partial(self._slots.give, domain, tenant)))
        return await asyncio.wrap_future(work)

    def make_ready(self, releases: Iterable[UsesComponents]) -> None:
        """Set up the installed plugins of these releases before the first request needs them."""
        for domain, components in _installed(releases).items():
            if not self._stopped:
                self._domain(domain).prepare(components)

    async def ready(self, release: UsesComponents) -> None:
        """Return once the installed plugins of a release can be called, or cannot be set up; soon in any case."""
        with suppress(TimeoutError, DidNotRunError):
            async with asyncio.timeout(_READY_SECONDS):
                for domain, components in _installed([release]).items():
                    await self._domain(domain).prepared(components)

    def pid(self, domain: str) -> int | None:
        """The id of a domain's process, if it has one now."""
        return self._domains[domain].pid if domain in self._domains else None

    @property
    def check_pids(self) -> list[int]:
        """The ids of the processes for built-in checks that run now."""
        return self._checks.pids

    async def stop(self) -> None:
        """End every process and return when they have ended. Calls in progress count as not run."""
        self._stopped = True
        await asyncio.gather(self._checks.stop(), *(domain.stop() for domain in self._domains.values()))
        self._starter.shutdown()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _domain(self, name: str) -> DomainProcess:
        if self._stopped:
            raise DidNotRunError("was not begun: the gateway is stopping")
        if name not in self._domains:
            self._domains[name] = DomainProcess(
                name, self._starter, partial(spawn, name, self._logs, self._bounds.plugin_bytes, self._bounds.sandbox)
            )
        return self._domains[name]

    def _spec_of(self, component: Component) -> ComponentSpec:
        """The spec of a built-in."""
        if component not in self._specs:
            kind = next(kind for kind, base in KINDS.items() if isinstance(component, base))
            place = (type(component).__module__, type(component).__qualname__)
            config = _packed(component.config.model_dump())
            self._specs[component] = ComponentSpec(kind, component.name, component.version, *place, config)
        return self._specs[component]

    def _needed(self, kind: str, name: str, config: Mapping[str, Any]) -> ComponentSpec:
        try:
            component = self._plugins.component(kind, name)
        except UnknownPluginError:
            raise DidNotRunError("is not installed") from None
        if not issubclass(component, InstalledComponent):
            raise DidNotRunError("is not installed, but came with postil")
        return _spec(component, config)


def _installed(releases: Iterable[UsesComponents]) -> Mapping[str, list[ComponentSpec]]:
    """The installed components that releases use, by domain."""
    found: defaultdict[str, list[ComponentSpec]] = defaultdict(list)
    for release in releases:
        for _, component in chain(release.inputs, release.validators, release.fallbacks):
            if isinstance(component, InstalledComponent):
                with suppress(DidNotRunError):  # It is said, with the reason, when it is called.
                    found[release.ref.domain].append(_spec(type(component), component.config))
    return found


def _in_loop(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # A thread may end after the loop.
        loop.call_soon_threadsafe(function)


def _spec(component: type[InstalledComponent], config: Mapping[str, Any]) -> ComponentSpec:
    info = component.info
    packed = _packed(dict(config))
    return ComponentSpec(info.kind, info.name, info.version, info.plugin, info.qualname, packed, component.source)


def _needed_of(component: Component, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a built-in looks at of its arguments: nothing else is worth its way to another process."""
    context, *others = arguments
    if not others or not isinstance(others[0], Completion):
        return arguments
    tokens = others[0].tokens if getattr(component, "needs_tokens", False) else ()
    return replace(context, request={}), replace(others[0], tokens=tokens)


def _packed(content: object) -> bytes:
    try:
        return pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise DidNotRunError(f"was given what cannot be sent to its process ({type(error).__name__})") from error
