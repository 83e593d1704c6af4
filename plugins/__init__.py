"""All that a plugin author imports.

A plugin is a module (or object) with hook implementations, found through the entry-point group
``postil``. Write against the names exported here and against nothing else.
"""

from postil.plugins.contract import Config, FallbackRule, Gate, InputCheck, Listener, Router, Validator
from postil.plugins.errors import ConfigError, PluginError
from postil.plugins.hookspecs import hookimpl, hookspec
from postil.plugins.types import (
    FINAL,
    TOKEN,
    AskAgain,
    Candidate,
    Completion,
    Exchange,
    Fail,
    Fallback,
    Happening,
    Hold,
    Outcome,
    Question,
    ReleaseRef,
    Scope,
    Span,
    Substitute,
    Token,
    Verdict,
    window,
)

__all__ = [
    "FINAL",
    "TOKEN",
    "AskAgain",
    "Candidate",
    "Completion",
    "Config",
    "ConfigError",
    "Exchange",
    "Fail",
    "Fallback",
    "FallbackRule",
    "Gate",
    "Happening",
    "Hold",
    "InputCheck",
    "Listener",
    "Outcome",
    "PluginError",
    "Question",
    "ReleaseRef",
    "Router",
    "Scope",
    "Span",
    "Substitute",
    "Token",
    "Validator",
    "Verdict",
    "hookimpl",
    "hookspec",
    "window",
]
