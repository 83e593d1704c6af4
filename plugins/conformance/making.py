"""How a component is made: its class, its name and version, and what it says to configurations that do not fit."""

from __future__ import annotations

import inspect
import json
import pickle
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from pydantic import BaseModel

from postil.plugins.conformance.promises import BrokenPromiseError, broken, one_sentence, shown
from postil.plugins.contract import Component
from postil.plugins.errors import ConfigError

_NAME = re.compile(r"[a-z0-9]([a-z0-9_.-]{0,62}[a-z0-9])?")
_UNKNOWN = "no_such_key_of_the_conformance_kit"
# For each type of JSON that a schema can ask for, a value that is of no such type and cannot be read as one.
_ALIEN: Mapping[str, Any] = {
    "string": {"a": 1},
    "integer": "many",
    "number": "many",
    "boolean": "perhaps",
    "array": 7,
    "object": [[7]],
}


def check_class(component: object, base: type[Component]) -> None:
    """The class is one that postil would take, and can be found again by another process."""
    if not (isinstance(component, type) and issubclass(component, base)):
        raise BrokenPromiseError(f"{shown(component)} is not a subclass of postil.plugins.{base.__name__}")
    name = getattr(component, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BrokenPromiseError(
            f"{component.__qualname__} has the name {name!r}; a policy takes lower-case letters, digits, - _ and ."
        )
    if inspect.isabstract(component):
        broken(name, f"lacks {', '.join(sorted(component.__abstractmethods__))}")
    if not isinstance(component.version, str) or not component.version.strip():
        broken(name, f'has the version {component.version!r}; a text such as "1" is recorded with each verdict')
    _check_place(component)
    _check_model(component)


def make(component: type[Component], config: Mapping[str, Any]) -> Any:
    """An instance with the author's configuration, which postil can also make from what the instance keeps."""
    try:
        made = component.from_mapping(config)
    except ConfigError as error:
        broken(component.name, f"does not take {shown(dict(config))}, which it is to be checked with: {error}")
    _check_kept(component, made)
    return made


def check_refusals(component: type[Component], config: Mapping[str, Any], bad: Sequence[Mapping[str, Any]]) -> None:
    """Unknown keys, values of another type and what the author names are refused, each in one sentence."""
    for wrong in bad:
        if not _refused(component, wrong):
            broken(component.name, f"takes the configuration {shown(dict(wrong))}, which it has to refuse")
    if not _refused(component, {**config, _UNKNOWN: 1}):
        broken(component.name, 'takes a key that it does not know; give its Config `extra="forbid"`')
    for field, kind, alien in _aliens(component):
        if not _refused(component, {**config, field: alien}):
            broken(component.name, f"takes {alien!r} for {field!r}, which by its schema is of the type {kind}")


def _check_place(component: type[Component]) -> None:
    try:
        found = attrgetter(component.__qualname__)(sys.modules[component.__module__])
    except (AttributeError, KeyError):
        found = None
    if found is not component or component.__module__ == "__main__":
        broken(
            component.name,
            f"cannot be found as {component.__module__}.{component.__qualname__} by the process that it will run in;"
            " define it at the top of a module of its own",
        )


def _check_model(component: type[Component]) -> None:
    model = component.Config
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        broken(component.name, f"has {shown(model)} for its Config; make it a subclass of postil.plugins.Config")
    if not model.model_config.get("frozen"):
        broken(component.name, "has a Config that can be changed; give it `frozen=True`, or derive it from postil's")
    try:
        json.dumps(model.model_json_schema())
    except Exception as error:
        broken(component.name, f"has a Config without a JSON Schema ({type(error).__name__}: {shown(str(error))})")


def _check_kept(component: type[Component], made: Component) -> None:
    config = getattr(made, "config", None)
    if not isinstance(config, component.Config):
        broken(component.name, "does not keep its configuration; call super().__init__(config) in __init__")
    values = config.model_dump()
    try:
        again = component.from_mapping(pickle.loads(pickle.dumps(values)))  # noqa: S301 - our own
    except Exception as error:
        broken(
            component.name,
            f"cannot be made again from its own configuration {shown(values)} ({type(error).__name__}: {error})",
        )
    if again.config != config:
        broken(component.name, f"is made with {shown(again.config)} from what {shown(config)} is written as")


def _refused(component: type[Component], values: Mapping[str, Any]) -> bool:
    """Whether these values are refused as they have to be; to be refused in another manner is a broken promise."""
    try:
        component.from_mapping(values)
    except ConfigError as error:
        cause = error.__cause__
        if cause is not None and str(error).startswith(f"{component.name}: it cannot be set up with this"):
            broken(
                component.name,
                f"raises {type(cause).__name__} when it is made with {shown(dict(values))};"
                " say what it takes in its Config, or raise ConfigError",
            )
        if not one_sentence(str(error)):
            broken(component.name, f"refuses {shown(dict(values))} with {shown(str(error))}, which is not one sentence")
        return True
    return False


def _aliens(component: type[Component]) -> Iterator[tuple[str, str, Any]]:
    """For each field whose schema names its type: the field, that type, and a value of another."""
    for field, schema in component.Config.model_json_schema().get("properties", {}).items():
        kind = schema.get("type")
        if kind in _ALIEN:
            yield field, kind, _ALIEN[kind]
