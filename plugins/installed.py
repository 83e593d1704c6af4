"""Components of installed plugins, as a process knows them that has not imported them.

Their classes are somebody else's code: they are imported in child processes only. What those say of a class is plain
data, a ``ComponentInfo``; ``stand_in`` makes a class of it that can be named in a policy, and cannot be called.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import MappingProxyType, new_class
from typing import Any, ClassVar

import msgspec

from postil.plugins.collect import KINDS
from postil.plugins.contract import REF_TEMPLATE, Component, Validator
from postil.plugins.errors import PluginLoadError
from postil.plugins.types import Scope


class Source(msgspec.Struct, frozen=True):
    """Where a plugin comes from: an entry point (``name`` and ``target``), or a file of the plugins folder.

    ``distribution`` is the Python package with that entry point, empty for a file.
    """

    name: str
    target: str = ""
    path: str = ""
    distribution: str = ""
    distribution_version: str = ""

    def refusal(self, reason: str) -> PluginLoadError:
        """Why it cannot be loaded, in one sentence with the remedy."""
        if self.path:
            return PluginLoadError(f"the plugin {self.name} cannot be loaded ({reason}); mend or remove it")
        return PluginLoadError(f"the installed plugin {self.name} cannot be loaded ({reason}); mend or uninstall it")


class ComponentInfo(msgspec.Struct, frozen=True):
    """One thing that a plugin offers; ``plugin`` is the module of its class, ``schema`` that of its configuration.

    ``fields`` are the names of the configuration's fields and whether each is required. ``window`` is how many
    characters a validator has to see at once, None for the whole answer, unless ``window_by_configuration``.
    """

    kind: str
    name: str
    version: str
    plugin: str
    qualname: str
    doc: str | None
    schema: dict[str, Any]
    fields: dict[str, bool]
    window: int | None = None
    window_by_configuration: bool = False
    needs_tokens: bool = False
    blocking: bool = False


class SetUp(msgspec.Struct, frozen=True):
    """What an instance says of itself once it is set up."""

    window: int | None = None
    needs_tokens: bool = False


class Order(msgspec.Struct, frozen=True):
    """Asks a process to list what a plugin offers; or, if it names a component, to set that up with ``values``."""

    source: Source
    component: ComponentInfo | None = None
    values: Mapping[str, Any] = {}


class Reply(msgspec.Struct, frozen=True):
    """What came of it; ``error`` is a sentence that says what went wrong."""

    error: str | None = None
    components: Sequence[ComponentInfo] = ()
    set_up: SetUp = SetUp()


class InstalledComponent(Component):
    """A component whose class is imported elsewhere; ``config`` is the mapping that it is set up with there."""

    stands_in = True
    info: ClassVar[ComponentInfo]
    source: ClassVar[Source]

    def __init__(self, values: Mapping[str, Any], set_up: SetUp) -> None:
        super().__init__(MappingProxyType(dict(values)))
        self.scope = Scope(set_up.window)
        self.needs_tokens = set_up.needs_tokens

    @classmethod
    def config_schema(cls, ref_template: str = REF_TEMPLATE) -> dict[str, Any]:
        """As the class says; see ``Component``."""
        schema: dict[str, Any] = _referred(cls.info.schema, frozenset(cls.info.schema.get("$defs", ())), ref_template)
        return schema

    @classmethod
    def config_fields(cls) -> Mapping[str, bool]:
        """As the class says; see ``Component``."""
        return cls.info.fields


def info_of(kind: str, component: type[Component]) -> ComponentInfo:
    """What there is to be known of a class. Raises PluginLoadError if it cannot be told."""
    try:
        schema = component.config_schema()
        msgspec.json.encode(schema)
    except Exception as error:
        raise PluginLoadError(f"{component.name}: its configuration has no JSON schema ({error!r}); mend it") from error
    known: dict[str, Any] = {}
    if issubclass(component, Validator):
        known = {
            "window": window_of(component),
            "window_by_configuration": any(_sets_scope(each) for each in component.__mro__),
            "needs_tokens": bool(component.needs_tokens),
        }
    return ComponentInfo(
        kind,
        component.name,
        component.version,
        component.__module__,
        component.__qualname__,
        inspect.getdoc(component),
        schema,
        dict(component.config_fields()),
        blocking=bool(getattr(component, "blocking", False)),
        **known,
    )


def window_of(component: Validator | type[Validator]) -> int | None:
    """The window of a validator. Raises PluginLoadError if its scope is none."""
    scope = component.scope
    if isinstance(scope, Scope) and (scope.window is None or isinstance(scope.window, int)):
        return scope.window
    raise PluginLoadError(f"{component.name}: its scope is {scope!r}; use FINAL, TOKEN or window(n)")


def stand_in(info: ComponentInfo, source: Source) -> type[InstalledComponent]:
    """A class with the name, version and kind of one that is imported elsewhere."""
    base = KINDS[info.kind]
    body: dict[str, Any] = {
        "__module__": info.plugin,
        "__qualname__": info.qualname,
        "__doc__": info.doc,
        "name": info.name,
        "version": info.version,
        "info": info,
        "source": source,
        **dict.fromkeys(base.__abstractmethods__, _elsewhere),
    }
    if base is Validator:
        body |= {"scope": Scope(info.window), "needs_tokens": info.needs_tokens}
    return new_class(info.qualname.rpartition(".")[2], (InstalledComponent, base), exec_body=lambda to: to.update(body))


def _elsewhere(self: InstalledComponent, *arguments: object) -> object:
    raise TypeError(f"{self.name} runs in a process of its domain's own")


def _sets_scope(kind: type) -> bool:
    """Whether the class sets ``self.scope`` while it is made. Told by its code: to make one, there is no need."""
    code = getattr(vars(kind).get("__init__"), "__code__", None)
    return code is not None and "scope" in code.co_names


def _referred(part: Any, own: frozenset[str], template: str) -> Any:
    """A schema whose references to its own definitions follow another template."""
    if isinstance(part, list):
        return [_referred(each, own, template) for each in part]
    if not isinstance(part, dict):
        return part
    found = {key: _referred(value, own, template) for key, value in part.items()}
    to = part.get("$ref")
    if isinstance(to, str) and to.startswith("#/$defs/") and to.removeprefix("#/$defs/") in own:
        found["$ref"] = template.format(model=to.removeprefix("#/$defs/"))
    return found
