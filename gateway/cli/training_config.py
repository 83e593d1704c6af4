"""The options of ``postil train``: from a file and from the command line, which comes first."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import RootModel, ValidationError

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.yaml_files import YamlFile, read_yaml
from postil.registry.policy.complaints import did_you_mean
from postil.registry.training.dispatch import METHODS, find_method
from postil.registry.training.options import ALIASES, TrainOptions, own_name

# From the gateway's settings, and no option of a person's.
_NOT_ASKED = {"window"}
_REQUIRED = ("data", "validation", "out")
_METHOD = "classify"


class _Keys(RootModel[dict[str, Any]]):
    """A flat file: options by their names."""


@dataclass(frozen=True, slots=True)
class Given:
    """Options that somebody gave, and where each stands: ``train.yaml:3: `rank` `` or ``--rank``."""

    values: Mapping[str, Any]
    places: Mapping[str, str] = field(default_factory=dict)

    def place(self, name: str) -> str:
        """Return where an option was given, or how it could be."""
        return self.places.get(name, f"--{name.replace('_', '-')}")

    def options(self, window: int | None) -> TrainOptions:
        """Return the checked options; the base is named later. Raises CommandError or MethodError."""
        for name in _REQUIRED:
            if self.values.get(name) is None:
                raise CommandError(f"--{name} is missing; name it here or as `{name}` in the file of --config")
        values = {name: value for name, value in self.values.items() if name not in ("base", "base_id")}
        method = self.text("method") or _METHOD
        kind = find_method(method).options
        for name in values:
            if name not in kind.model_fields:
                raise CommandError(f"{self.place(name)}: --method {method} has no such option; leave it out")
        try:
            return kind.model_validate(values | {"base": Path(), "window": window})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            said = first["msg"].removeprefix("Value error, ")
            where = self.place(str(first["loc"][0]))
            raise CommandError(f"{where}: {said[:1].lower()}{said[1:]}; see postil train --help") from error

    def text(self, name: str) -> str | None:
        """Return an option that is a text or left out. Raises CommandError."""
        value = self.values.get(name)
        if value is None or isinstance(value, str):
            return value
        raise CommandError(f"{self.place(name)}: a text belongs here")


def merged(config: Path | None, flags: Mapping[str, Any]) -> Given:
    """Return what a file gives and what flags give, which come first. Raises CommandError with file, line and key."""
    if config is None:
        return Given(flags)
    read = _from_file(read_yaml(config, _Keys))
    return Given({**read.values, **flags}, {name: at for name, at in read.places.items() if name not in flags})


def _from_file(file: YamlFile[_Keys]) -> Given:
    values, places = dict[str, Any](), dict[str, str]()
    known = {name for method in METHODS.values() for name in method.options.model_fields} - _NOT_ASKED
    for key, value in file.content.root.items():
        name = own_name(key)
        if name not in known:
            raise CommandError(f"{file.at(key)}: `{key}` is no option of training{_nearest(key, known)}")
        if name in places:
            raise CommandError(f"{file.at(key)}: `{key}` is `{name}`, which stands above too; leave one out")
        values[name], places[name] = value, f"{file.at(key)}: `{key}`"
    return Given(values, places)


def _nearest(key: str, known: Collection[str]) -> str:
    """Return the end of a sentence: the nearest name of all, or the list of ours."""
    name = key.replace("-", "_")
    nearest = did_you_mean(name, {*known, *ALIASES})
    return nearest if "did you mean" in nearest else did_you_mean(name, known)
