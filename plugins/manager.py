"""Load plugins, check them, and hand out what they offer; no other module touches pluggy."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import pluggy

from postil.plugins import builtin, hookspecs
from postil.plugins.contract import Component, FallbackRule, Gate, InputCheck, Listener, Router, Validator
from postil.plugins.errors import PluginLoadError, UnknownPluginError
from postil.plugins.making import make

C = TypeVar("C", bound=Component)
_KINDS: tuple[tuple[str, str, type[Any]], ...] = (
    ("validator", "postil_validators", Validator),
    ("input check", "postil_input_checks", InputCheck),
    ("fallback rule", "postil_fallback_rules", FallbackRule),
    ("router", "postil_routers", Router),
    ("gate", "postil_gates", Gate),
    ("listener", "postil_listeners", Listener),
)

_BUILTIN = (
    "labels", "confidence", "json_schema", "blocklist", "pii", "length", "disclaimer", "emergency", "input_length",
    "injection", "guardrails", "fixed_answer", "append", "ask_again", "other_release", "base", "review", "error",
    "keywords", "minimum_metric", "event_log", "webhook",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ComponentInfo:
    """One thing that an installed plugin offers to policies."""

    kind: str
    name: str
    version: str
    plugin: str
    schema: Mapping[str, Any]


class PluginManager:
    """The installed plugins. Made once by the application.

    ``extra`` takes plugins in code, ``folder`` single files (``*.py``), each of them a plugin. Raises PluginLoadError
    if one cannot be imported, has a hook that does not exist, or offers a name that another one offers already.
    """

    def __init__(self, extra: Iterable[object] = (), *, entry_points: bool = True, folder: Path | None = None) -> None:
        self._pm = pluggy.PluginManager(hookspecs.PROJECT)
        self._pm.add_hookspecs(hookspecs)
        self.folder = folder
        self._own_version = metadata.version(hookspecs.PROJECT)
        trusted = [*_builtin(), *extra]
        self._register(trusted)
        if entry_points:
            self._load_entry_points()
        if folder is not None:
            self._register(modules_in(folder))
        ours = {id(plugin) for plugin in trusted}
        installed = {id(plugin): (dist.project_name, dist.version) for plugin, dist in self._pm.list_plugin_distinfo()}
        self._distributions: dict[type[Component], tuple[str, str]] = {}
        self._trusted: set[type[Component]] = set()
        self._offered: dict[str, Mapping[str, type[Any]]] = {}
        for kind, hook, base in _KINDS:
            found = _collect(getattr(self._pm.hook, hook), base)
            self._offered[kind] = MappingProxyType({name: component for name, (component, _) in found.items()})
            self._trusted |= {component for component, plugin in found.values() if id(plugin) in ours}
            self._distributions |= {
                component: installed[id(plugin)] for component, plugin in found.values() if id(plugin) in installed
            }

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

        It may take its time: call it from a thread where others must not wait.
        """
        if self.is_builtin(component):
            return component.from_mapping(values)  # type: ignore[no-any-return]
        return make(component, values)

    def is_builtin(self, component: type[Component]) -> bool:
        """Whether it came with postil, or in code: it may run in the gateway's own process. Installed ones may not."""
        return component in self._trusted

    def distribution(self, component: type[Component]) -> tuple[str, str]:
        """The Python package that brings a class on offer here, and its version when it was loaded.

        That of a built-in is postil; a single file has none: both are empty.
        """
        if component.__module__.partition(".")[0] == hookspecs.PROJECT:
            return hookspecs.PROJECT, self._own_version
        return self._distributions.get(component, ("", ""))

    def list_components(self) -> list[ComponentInfo]:
        """Everything on offer, with its configuration schema, ordered by kind and name."""
        found = [component for kind, offered in self._offered.items() for component in _infos(kind, offered)]
        return sorted(found, key=lambda info: (info.kind, info.name))

    def _pick(self, kind: str, name: str) -> type[Any]:
        offered = self._offered[kind]
        try:
            return offered[name]
        except KeyError:
            known = ", ".join(sorted(offered)) or "none"
            raise UnknownPluginError(f"no {kind} is called {name!r}; installed: {known}") from None

    def _load_entry_points(self) -> None:
        for name in sorted(metadata.entry_points(group=hookspecs.PROJECT).names):
            try:
                self._pm.load_setuptools_entrypoints(hookspecs.PROJECT, name)
            except Exception as error:
                raise PluginLoadError(
                    f"the installed plugin {name} cannot be loaded ({error!r}); mend or uninstall it"
                ) from error
        self._register(())  # It sees to misspelt hooks.

    def _register(self, plugins: Iterable[object]) -> None:
        try:
            for plugin in plugins:
                self._pm.register(plugin)
            self._pm.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginLoadError(f"{error}; see postil.plugins.hookspecs for the hooks") from error


def modules_in(folder: Path) -> list[object]:
    """Every ``*.py`` file of a folder as a module. Raises PluginLoadError."""
    if not folder.is_dir():
        raise PluginLoadError(f"{folder} is not a folder of plugins; make it, or leave the setting out")
    return [_module(path) for path in sorted(folder.glob("*.py")) if not path.name.startswith("_")]


def _module(path: Path) -> object:
    name = f"postil_plugins_dir.{path.stem}"
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None, "a .py file has a loader"
    assert specification.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # Dataclasses and pydantic look their annotations up there.
    try:
        specification.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise PluginLoadError(f"the plugin {path.name} cannot be loaded ({error!r}); mend or remove it") from error
    return module


def _builtin() -> list[object]:
    return [importlib.import_module(f"{builtin.__name__}.{name}") for name in _BUILTIN]


def _collect(hook: pluggy.HookCaller, base: type[C]) -> dict[str, tuple[type[C], object]]:
    """What the plugins return, by name, and which plugin; asked one by one, so that the one at fault can be named."""
    found: dict[str, tuple[type[C], object]] = {}
    for implementation in hook.get_hookimpls():
        for component in _call(implementation):
            _check_component(component, base)
            if component.name in found:
                raise PluginLoadError(
                    f"two plugins offer {component.name!r} ({found[component.name][0].__module__} and"
                    f" {component.__module__}); rename one"
                )
            found[component.name] = component, implementation.plugin
    return found


def _call(implementation: pluggy.HookImpl) -> list[Any]:
    plugin = implementation.plugin_name
    try:
        result = implementation.function()
        if inspect.iscoroutine(result):
            result.close()
            raise PluginLoadError(f"the hooks of {plugin} have to be plain functions: write `def`, not `async def`")
        if isinstance(result, str) or not isinstance(result, Iterable):
            raise PluginLoadError(f"a hook of {plugin} returned {result!r}; return a list of classes")
        return list(result)
    except PluginLoadError:
        raise
    except Exception as error:
        raise PluginLoadError(f"a hook of {plugin} raised {error!r}; mend or uninstall it") from error


def _check_component(component: object, base: type[Component]) -> None:
    if not (isinstance(component, type) and issubclass(component, base)):
        raise PluginLoadError(f"{component!r} is offered, but is not a subclass of {base.__name__}")
    if not isinstance(getattr(component, "name", None), str) or not component.name:
        raise PluginLoadError(f'{component.__qualname__} has no name; give the class `name = "..."`')
    if base is Listener and hasattr(component, "hear"):
        raise PluginLoadError(f"{component.name}: `hear` is now called `handle`, and takes a Notification; rename it")
    if inspect.isabstract(component):
        raise PluginLoadError(f"{component.name} lacks {', '.join(component.__abstractmethods__)}")


def _infos(kind: str, offered: Mapping[str, type[Component]]) -> list[ComponentInfo]:
    return [
        ComponentInfo(kind, c.name, c.version, c.__module__, c.Config.model_json_schema()) for c in offered.values()
    ]
