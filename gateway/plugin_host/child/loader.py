"""Finds a component's class in the process that is to run it. Only the plugin that holds it is imported.

So another team's plugin costs this domain no memory, and one that can no longer be imported is missed by those alone
who use it.
"""

from __future__ import annotations

import importlib
import sys
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

from postil.gateway.plugin_host.protocol import ComponentSpec
from postil.plugins.contract import Component
from postil.plugins.errors import PluginLoadError

# The name under which the plugin manager knows the files of the folder.
_FOLDER = "postil_plugins_dir"


def find(needed: ComponentSpec, folder: Path | None) -> type[Component]:
    """The class that the gateway means. Raises PluginError if it is not there any more, or is another version."""
    found = _where_it_stands(needed, folder) or _by_hooks(needed, folder)
    if found.version != needed.version:
        raise PluginLoadError(
            f"{needed.name} is of version {found.version} now, and of {needed.version} in the gateway; start that again"
        )
    return found


def _where_it_stands(needed: ComponentSpec, folder: Path | None) -> type[Component] | None:
    if folder is not None and _FOLDER not in sys.modules:
        package = ModuleType(_FOLDER)
        package.__path__ = [str(folder)]
        sys.modules[_FOLDER] = package
    try:
        found: Any = attrgetter(needed.qualname)(importlib.import_module(needed.module))
    except (AttributeError, ModuleNotFoundError):
        return None
    right = isinstance(found, type) and issubclass(found, Component) and found.name == needed.name
    return found if right else None


def _by_hooks(needed: ComponentSpec, folder: Path | None) -> type[Component]:
    """The long way, for a class that was made by a function and has no place: ask every plugin."""
    from postil.plugins.manager import PluginManager

    return PluginManager(folder=folder).component(needed.kind, needed.name)
