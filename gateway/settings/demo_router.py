"""Which router there is: the settings' own, or the demo's."""

from __future__ import annotations

from importlib import resources

from postil.gateway.settings.read import Settings
from postil.gateway.settings.values import PluginUse


def router_of(settings: Settings) -> PluginUse | None:
    """Return the router that the settings name; where they name none, the demo has its own."""
    if settings.router is not None or not settings.demo:
        return settings.router
    file = resources.files("postil.demo").joinpath("router", "router.json")
    return PluginUse(name="linear", config={"file": str(file)})
