"""Reads YAML files that people write, and says at which line of a file something is wrong."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from postil.gateway.cli.api_client import CommandError
from postil.registry.policy.policy import PlainLoader

# Where something stands in a file: the keys and positions that lead to it.
Place = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)
_MAX_BYTES = 4 << 20
# How pydantic says that a mapping's key is meant and not its value.
_OF_A_KEY = "[key]"


class Strict(BaseModel):
    """Base of what a file may hold: a key that is not known is refused, and a text is no number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Loader(PlainLoader):
    """As policies are read, with the line of an alias."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        try:
            return super().compose_node(parent, index)
        except yaml.MarkedYAMLError as error:
            error.problem_mark = error.problem_mark or mark
            raise


@dataclass(frozen=True, slots=True)
class YamlFile(Generic[M]):
    """A file that was read: what it says, and at which line each of its keys stands."""

    path: Path
    content: M
    lines: Mapping[Place, int]

    def at(self, *place: str | int) -> str:
        """Return ``file:line`` of a key, or of what holds it."""
        return _at(self.path, self.lines, place)


def read_yaml(path: Path, model: type[M]) -> YamlFile[M]:
    """Read a file as ``model`` has it. Raises CommandError that names the file and the line."""
    values, lines = _parsed(path)
    try:
        return YamlFile(path, model.model_validate({} if values is None else values), lines)
    except ValidationError as error:
        raise CommandError(_sentence(error, path, lines, model)) from error


def _parsed(path: Path) -> tuple[Any, Mapping[Place, int]]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({error.strerror}); name a file that you may read") from error
    if len(text) > _MAX_BYTES:
        raise CommandError(f"{path} has more than {_MAX_BYTES >> 20} MiB; split it")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines = {} if node is None else dict(_lines(path, node, ()))
        return (None if node is None else loader.construct_document(node)), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise CommandError(f"{path}{line}: this is not YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise CommandError(f"{path}: this is not YAML: {' '.join(str(error).split())}") from error


def _lines(path: Path, node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    """Yield the line of every key and item. Raises CommandError where a key stands twice."""
    if isinstance(node, yaml.MappingNode):
        seen = set[str]()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                raise CommandError(f"{path}:{key.start_mark.line + 1}: `{name}` stands here twice; leave one out")
            seen.add(name)
            yield (*place, name), key.start_mark.line + 1
            yield from _lines(path, value, (*place, name))
    elif isinstance(node, yaml.SequenceNode):
        for at, value in enumerate(node.value):
            yield (*place, at), value.start_mark.line + 1
            yield from _lines(path, value, (*place, at))


def _at(path: Path, lines: Mapping[Place, int], place: Place) -> str:
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return f"{path}:{lines[place[:length]]}"
    return f"{path}:1"


def _sentence(error: ValidationError, path: Path, lines: Mapping[Place, int], model: type[BaseModel]) -> str:
    found = error.errors(include_url=False)
    # A misspelt key is often missing under its right name, too.
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    place = tuple(part for part in first["loc"] if part != _OF_A_KEY)
    where = _at(path, lines, place)
    if first["type"] == "extra_forbidden":
        known = ", ".join(_keys(model, place[:-1]))
        return f"{where}: `{'.'.join(map(str, place))}` is not known; known here: {known}"
    message = first["msg"].removeprefix("Value error, ")
    name = f"`{'.'.join(map(str, place))}`: " if place else ""
    return f"{where}: {name}{message[:1].lower()}{message[1:]}"


def _keys(kind: Any, place: Place) -> list[str]:
    """Return the keys that a model knows at a place."""
    for part in place:
        kind = _inner(kind, part)
    return sorted(_model(kind).model_fields)


def _inner(kind: Any, part: str | int) -> Any:
    kind = _plain(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.model_fields[str(part)].annotation
    arguments = get_args(kind)
    return arguments[1] if get_origin(kind) is dict else arguments[0]


def _model(kind: Any) -> type[BaseModel]:
    kind = _plain(kind)
    assert isinstance(kind, type), "only a model forbids keys"
    assert issubclass(kind, BaseModel), "only a model forbids keys"
    return kind


def _plain(kind: Any) -> Any:
    """Return a type without ``| None``."""
    if get_origin(kind) in (Union, types.UnionType):
        return next(each for each in get_args(kind) if each is not type(None))
    return kind
