"""Finds a component's class in the process that is to run it. Only the plugin that holds it is imported.

So another team's plugin costs this domain no memory, and one that can no longer be imported is missed by those alone
who use it.
"""

from __future__ import annotations

from postil.gateway.plugin_host.protocol import ComponentSpec
from postil.plugins.contract import Component
from postil.plugins.errors import PluginLoadError
from postil.plugins.loading import find


def find_component(needed: ComponentSpec) -> type[Component]:
    """The class of a component. Raises PluginError if it is gone or has another version."""
    found = find(needed.source, needed.kind, needed.name, (needed.module, needed.qualname))
    if found.version != needed.version:
        raise PluginLoadError(
            f"{needed.name} is of version {found.version} now, and of {needed.version} in the gateway; start that again"
        )
    return found
