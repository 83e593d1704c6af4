"""What can go wrong on the plugin floor.

PluginError
├── PluginLoadError    a plugin cannot be imported, or breaks the contract: refused at start-up
├── UnknownPluginError a policy names a validator or fallback rule that is not installed
└── ConfigError        a policy's configuration does not fit the plugin's schema
"""

from __future__ import annotations


class PluginError(Exception):
    """Base of every error of the plugin floor; its text is one sentence with the remedy."""


class PluginLoadError(PluginError):
    """A plugin cannot be imported, or does not keep the contract."""


class UnknownPluginError(PluginError):
    """A policy names something that no installed plugin offers."""


class ConfigError(PluginError):
    """A configuration does not fit; raise it from ``__init__`` with a sentence that says why."""
