"""Register plugins, ask their hooks, and check what they return; no other module touches pluggy but ``hookspecs``."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import pluggy

from postil.plugins import hookspecs
from postil.plugins.contract import Component, FallbackRule, Gate, InputCheck, Listener, Router, Validator
from postil.plugins.errors import PluginLoadError

KINDS: Mapping[str, type[Any]] = MappingProxyType(
    {
        "validator": Validator,
        "input check": InputCheck,
        "fallback rule": FallbackRule,
        "router": Router,
        "gate": Gate,
        "listener": Listener,
    }
)
# What every kind of plugin returns: its components by kind and name.
Collected = dict[str, dict[str, type[Any]]]


def collect(plugins: Iterable[tuple[object, str | None]]) -> Collected:
    """What plugins offer; each comes with the name that it is called by, if it is not to be its own.

    Raises PluginLoadError if one has a hook that does not exist, breaks the contract, or takes another one's name.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        for plugin, name in plugins:
            manager.register(plugin, name)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        raise PluginLoadError(f"{error}; see postil.plugins.hookspecs for the hooks") from error
    return {kind: _components(manager, kind, base) for kind, base in KINDS.items()}


def add(found: dict[str, type[Any]], component: type[Component]) -> None:
    """Put a component under its name. Raises PluginLoadError if that is taken."""
    if component.name in found:
        raise PluginLoadError(
            f"two plugins offer {component.name!r} ({found[component.name].__module__} and"
            f" {component.__module__}); rename one"
        )
    found[component.name] = component


def _components(manager: pluggy.PluginManager, kind: str, base: type[Component]) -> dict[str, type[Any]]:
    """What the plugins return, by name; asked one by one, so that the one at fault can be named."""
    found: dict[str, type[Any]] = {}
    for implementation in getattr(manager.hook, f"postil_{kind.replace(' ', '_')}s").get_hookimpls():
        for component in _call(implementation):
            _check(component, base)
            add(found, component)
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


def _check(component: object, base: type[Component]) -> None:
    if not (isinstance(component, type) and issubclass(component, base)):
        raise PluginLoadError(f"{component!r} is offered, but is not a subclass of {base.__name__}")
    if not isinstance(getattr(component, "name", None), str) or not component.name:
        raise PluginLoadError(f'{component.__qualname__} has no name; give the class `name = "..."`')
    if not isinstance(component.version, str):
        raise PluginLoadError(f'{component.name} has the version {component.version!r}; write `version = "..."`')
    if base is Listener and hasattr(component, "hear"):
        raise PluginLoadError(f"{component.name}: `hear` is now called `handle`, and takes a Notification; rename it")
    if inspect.isabstract(component):
        raise PluginLoadError(f"{component.name} lacks {', '.join(component.__abstractmethods__)}")
