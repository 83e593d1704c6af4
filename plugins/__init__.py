"""All that a plugin author imports.

A plugin is a module (or object) with hook implementations, found through the entry-point group
``postil``. Write against the names exported here and against nothing else.
"""

from postil.plugins.contract import FallbackRule, Validator
from postil.plugins.errors import ConfigError, PluginError
from postil.plugins.hookspecs import hookimpl, hookspec
from postil.plugins.types import (
    Completion,
    Exchange,
    Fallback,
    Outcome,
    ReleaseRef,
    Span,
    Token,
    Verdict,
)

__all__ = [
    "Completion",
    "ConfigError",
    "Exchange",
    "Fallback",
    "FallbackRule",
    "Outcome",
    "PluginError",
    "ReleaseRef",
    "Span",
    "Token",
    "Validator",
    "Verdict",
    "hookimpl",
    "hookspec",
]
