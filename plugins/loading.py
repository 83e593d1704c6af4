"""Import installed plugins, in a process that is there for it: see ``discovery``."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib import metadata
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

from postil.plugins import hookspecs
from postil.plugins.collect import Collected, collect
from postil.plugins.contract import Component
from postil.plugins.errors import PluginLoadError, UnknownPluginError
from postil.plugins.installed import Source

# The package whose modules the files of the plugins folder are.
FOLDER = "postil_plugins_dir"


def sources(folder: Path | None, *, entry_points: bool = True) -> list[Source]:
    """What is installed, in the order of the names; nothing is imported. Raises PluginLoadError."""
    points = metadata.entry_points(group=hookspecs.PROJECT) if entry_points else ()
    found = sorted({(point.name, point.value, *_package(point)) for point in points})
    if folder is not None and not folder.is_dir():
        raise PluginLoadError(f"{folder} is not a folder of plugins; make it, or leave the setting out")
    files = [] if folder is None else sorted(folder.glob("*.py"))
    return [
        *(Source(name, target, "", package, version) for name, target, package, version in found),
        *(Source(path.name, path=str(path.resolve())) for path in files if not path.name.startswith("_")),
    ]


def _package(point: metadata.EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist else ("", "")


def offered(source: Source) -> Collected:
    """What one plugin offers; it is imported here. Raises PluginLoadError."""
    try:
        plugin, name = (_file(Path(source.path)), None) if source.path else (_entry_point(source), source.name)
    except BaseException as error:
        raise source.refusal(text_of(error)) from error
    return collect([(plugin, name)])


def find(source: Source, kind: str, name: str, place: tuple[str, str]) -> type[Component]:
    """A component's class, by its ``place`` (module and qualified name); the whole plugin is asked if it has none.

    Raises PluginError if it is not there any more.
    """
    if source.path:
        _have_folder(Path(source.path).parent)
    found = _at(*place)
    if isinstance(found, type) and issubclass(found, Component) and found.name == name:
        return found
    try:
        component: type[Component] = offered(source)[kind][name]
    except KeyError:
        raise UnknownPluginError(
            f"the plugin {source.name} has no {kind} {name} any more; start postil again"
        ) from None
    return component


def text_of(error: BaseException) -> str:
    """What an error of foreign code says, whatever it makes of being asked."""
    try:
        return repr(error)[:2000]
    except BaseException:
        return "an error that cannot be shown"


def _at(module: str, qualname: str) -> Any:
    try:
        return attrgetter(qualname)(importlib.import_module(module))
    except (AttributeError, ModuleNotFoundError):
        return None


def _entry_point(source: Source) -> object:
    points = metadata.entry_points(group=hookspecs.PROJECT, name=source.name)
    return next(point for point in points if point.value == source.target).load()


def _have_folder(folder: Path) -> None:
    """Let the files of a folder be modules of one package, so that one may import another."""
    if FOLDER not in sys.modules:
        package = ModuleType(FOLDER)
        package.__path__ = [str(folder)]
        sys.modules[FOLDER] = package


def _file(path: Path) -> object:
    name = f"{FOLDER}.{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    _have_folder(path.parent)
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None, "a .py file has a loader"
    assert specification.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # Dataclasses and pydantic look their annotations up there.
    try:
        specification.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module
