"""Hand out what plugins offer: those that came with postil or in code, and stand-ins for those that are installed."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from postil.plugins import builtin
from postil.plugins.collect import add, collect
from postil.plugins.contract import Component, FallbackRule, Gate, InputCheck, Listener, Router, Validator
from postil.plugins.discovery import Bounds, Discovery, Listed
from postil.plugins.errors import PluginLoadError, UnknownPluginError
from postil.plugins.hookspecs import PROJECT
from postil.plugins.installed import ComponentInfo, InstalledComponent, Source, info_of, stand_in
from postil.plugins.landlock import Sandbox
from postil.plugins.loading import sources

C = TypeVar("C", bound=Component)
# A plugin that is installed, and what it offers.
Found = tuple[Source, Sequence[ComponentInfo]]

_BUILTIN = (
    "labels", "confidence", "json_schema", "blocklist", "pii", "length", "disclaimer", "emergency", "input_length",
    "injection", "guardrails", "fixed_answer", "append", "ask_again", "other_release", "base", "review", "error",
    "keywords", "linear", "minimum_metric", "not_worse", "event_log", "webhook",
)  # fmt: skip


class PluginManager:
    """The plugins there are. Made once by the application.

    ``extra`` takes plugins in code, ``folder`` single files (``*.py``), each of them a plugin. Code of installed ones
    is never imported here: a child process says what they offer, and sets them up to see whether that can be done.
    They are confined to the ``sandbox``; what they print goes to the folder ``logs``. Raises PluginLoadError if one
    cannot be loaded, has a hook that does not exist, or offers a name that another one offers already; with
    ``lenient``, those are left out and the reasons are in ``problems``. ``found`` is what another process found of what
    is installed: nothing is looked for again.
    """

    def __init__(
        self,
        extra: Iterable[object] = (),
        *,
        entry_points: bool = True,
        folder: Path | None = None,
        logs: Path | None = None,
        bounds: Bounds | None = None,
        sandbox: Sandbox | None = None,
        lenient: bool = False,
        found: Sequence[Found] | None = None,
    ) -> None:
        self.folder = folder
        self.problems: Sequence[str] = ()
        self._discovery = Discovery(logs, bounds, sandbox)
        self._offered = collect((plugin, None) for plugin in (*_builtin(), *extra))
        self.found: list[Found] = []
        problems = self._add_installed(found if found is not None else self._discovered(entry_points))
        if problems and not lenient:
            raise problems[0]
        self.problems = [str(problem) for problem in problems]

    def validator(self, name: str) -> type[Validator]:
        """The validator class called ``name``. Raises UnknownPluginError naming those there are."""
        return self._pick("validator", name)

    def fallback_rule(self, name: str) -> type[FallbackRule]:
        """The fallback rule called ``name``; otherwise as ``validator``."""
        return self._pick("fallback rule", name)

    def input_check(self, name: str) -> type[InputCheck]:
        """The input check called ``name``; otherwise as ``validator``."""
        return self._pick("input check", name)

    def router(self, name: str) -> type[Router]:
        """The router called ``name``; otherwise as ``validator``."""
        return self._pick("router", name)

    def gate(self, name: str) -> type[Gate]:
        """The gate called ``name``; otherwise as ``validator``."""
        return self._pick("gate", name)

    def listener(self, name: str) -> type[Listener]:
        """The listener called ``name``; otherwise as ``validator``."""
        return self._pick("listener", name)

    def component(self, kind: str, name: str) -> type[Component]:
        """The component of that kind (``validator``, ``input check`` ...) and name. Raises UnknownPluginError."""
        return self._pick(kind, name)

    def make(self, component: type[C], values: Mapping[str, Any]) -> C:
        """An instance of a class that is on offer here, set up with ``values``. Raises ConfigError in one sentence.

        An installed one is set up in a child process, and the instance stands for it. That takes its time: call it
        from a thread where others must not wait.
        """
        if issubclass(component, InstalledComponent):
            return component(values, self._discovery.set_up(component, values))
        return component.from_mapping(values)  # type: ignore[no-any-return]

    def is_builtin(self, component: type[Component]) -> bool:
        """Whether it came with postil, or in code: it may run in the gateway's own process. Installed ones may not."""
        return not issubclass(component, InstalledComponent)

    def distribution(self, component: type[Component]) -> tuple[str, str]:
        """The Python package that brings a class on offer here, and its version when it was loaded.

        That of a built-in is postil; a single file has none: both are empty.
        """
        if issubclass(component, InstalledComponent):
            return component.source.distribution, component.source.distribution_version
        if component.__module__.partition(".")[0] == PROJECT:
            return PROJECT, self._own_version
        return "", ""

    def list_components(self) -> list[ComponentInfo]:
        """Everything on offer, with its configuration schema, ordered by kind and name."""
        found = [
            component.info if issubclass(component, InstalledComponent) else info_of(kind, component)
            for kind, offered in self._offered.items()
            for component in offered.values()
        ]
        return sorted(found, key=lambda info: (info.kind, info.name))

    @cached_property
    def _own_version(self) -> str:
        return metadata.version(PROJECT)  # Read from a file, which takes milliseconds.

    def _pick(self, kind: str, name: str) -> type[Any]:
        offered = self._offered[kind]
        try:
            return offered[name]
        except KeyError:
            known = ", ".join(sorted(offered)) or "none"
            near = difflib.get_close_matches(name[:80], sorted(offered), 1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise UnknownPluginError(f"no {kind} is called {name!r}; {meant}installed: {known}") from None

    def _discovered(self, entry_points: bool) -> list[tuple[Source, Listed]]:
        return self._discovery.list_components(sources(self.folder, entry_points=entry_points))

    def _add_installed(self, found: Iterable[tuple[Source, Listed]]) -> list[PluginLoadError]:
        """Add what is installed; returns what is wrong with those that cannot be."""
        problems: list[PluginLoadError] = []
        for source, listed in found:
            if isinstance(listed, PluginLoadError):
                problems.append(listed)
                continue
            self.found.append((source, listed))
            for info in listed:
                try:
                    add(self._offered[info.kind], stand_in(info, source))
                except PluginLoadError as error:
                    problems.append(error)
        return problems


def _builtin() -> list[object]:
    return [importlib.import_module(f"{builtin.__name__}.{name}") for name in _BUILTIN]
