"""Load plugins, check them, and hand out what they offer; no other module touches pluggy."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from types import MappingProxyType
from typing import Any, TypeVar

import pluggy

from postil.plugins import hookspecs
from postil.plugins.contract import Component, FallbackRule, Validator
from postil.plugins.errors import PluginLoadError, UnknownPluginError

C = TypeVar("C", bound=Component)


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that an installed plugin offers to policies."""

    kind: str
    name: str
    version: str
    plugin: str
    schema: Mapping[str, Any]


class PluginManager:
    """The installed plugins. Made once by the application; ``extra`` takes plugins that are not installed.

    Raises PluginLoadError if a plugin cannot be imported, has a hook that does not exist, or offers a
    name that another one offers already.
    """

    def __init__(self, extra: Iterable[object] = (), *, entry_points: bool = True) -> None:
        self._pm = pluggy.PluginManager(hookspecs.PROJECT)
        self._pm.add_hookspecs(hookspecs)
        for plugin in _builtin():
            self._pm.register(plugin)
        if entry_points:
            self._load_entry_points()
        self._register(extra)
        self._validators = _collect(self._pm.hook.postil_validators, Validator)  # type: ignore[type-abstract]
        self._rules = _collect(self._pm.hook.postil_fallback_rules, FallbackRule)  # type: ignore[type-abstract]

    def validator(self, name: str) -> type[Validator]:
        """The validator class called ``name``. Raises UnknownPluginError naming those there are."""
        return _pick(self._validators, name, "validator")

    def fallback_rule(self, name: str) -> type[FallbackRule]:
        """The fallback rule called ``name``. Raises UnknownPluginError naming those there are."""
        return _pick(self._rules, name, "fallback rule")

    def offers(self) -> list[Offer]:
        """Everything on offer, with its configuration schema, ordered by kind and name."""
        found = [*_offers("validator", self._validators), *_offers("fallback rule", self._rules)]
        return sorted(found, key=lambda offer: (offer.kind, offer.name))

    def _load_entry_points(self) -> None:
        for name in sorted(metadata.entry_points(group=hookspecs.PROJECT).names):
            try:
                self._pm.load_setuptools_entrypoints(hookspecs.PROJECT, name)
            except Exception as error:
                raise PluginLoadError(
                    f"the installed plugin {name} cannot be loaded ({error!r}); mend or uninstall it"
                ) from error

    def _register(self, extra: Iterable[object]) -> None:
        try:
            for plugin in extra:
                self._pm.register(plugin)
            self._pm.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginLoadError(f"{error}; see postil.plugins.hookspecs for the hooks") from error


def _builtin() -> list[object]:
    from postil.plugins.builtin import confidence, fixed_answer, labels

    return [labels, confidence, fixed_answer]


def _collect(hook: pluggy.HookCaller, base: type[C]) -> Mapping[str, type[C]]:
    found: dict[str, type[C]] = {}
    for component in (component for offered in _called(hook) for component in offered):
        _check_component(component, base)
        if component.name in found:
            raise PluginLoadError(
                f"two plugins offer {component.name!r} ({found[component.name].__module__} and"
                f" {component.__module__}); rename one"
            )
        found[component.name] = component
    return MappingProxyType(found)


def _called(hook: pluggy.HookCaller) -> list[list[Any]]:
    """What each plugin returns; called one by one, so that the plugin at fault can be named."""
    return [_call(implementation) for implementation in hook.get_hookimpls()]


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
        raise PluginLoadError(f"{component.__qualname__} has no name; give the class `name = \"...\"`")
    if inspect.isabstract(component):
        raise PluginLoadError(f"{component.name} lacks {', '.join(component.__abstractmethods__)}")


def _pick(offered: Mapping[str, type[C]], name: str, kind: str) -> type[C]:
    try:
        return offered[name]
    except KeyError:
        known = ", ".join(sorted(offered)) or "none"
        raise UnknownPluginError(
            f"no {kind} is called {name!r}; installed: {known}"
        ) from None


def _offers(kind: str, offered: Mapping[str, type[Component]]) -> list[Offer]:
    return [
        Offer(kind, c.name, c.version, c.__module__, c.Config.model_json_schema())
        for c in offered.values()
    ]
