"""All settings: one file for each group of them."""

from postil.gateway.settings.demo_router import router_of
from postil.gateway.settings.read import Settings, read_settings
from postil.gateway.settings.values import HttpLimits, PluginUse

__all__ = ["HttpLimits", "PluginUse", "Settings", "read_settings", "router_of"]
