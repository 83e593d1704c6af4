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
    Fail,
    Fallback,
    Hold,
    Notification,
    Outcome,
    ReleaseRef,
    RequestContext,
    RoutingRequest,
    Scope,
    Span,
    Substitute,
    Token,
    Undecided,
    Verdict,
    window,
)

_RENAMED = {"Exchange": "RequestContext", "Question": "RoutingRequest", "Happening": "Notification"}

__all__ = [
    "FINAL",
    "TOKEN",
    "AskAgain",
    "Candidate",
    "Completion",
    "Config",
    "ConfigError",
    "Fail",
    "Fallback",
    "FallbackRule",
    "Gate",
    "Hold",
    "InputCheck",
    "Listener",
    "Notification",
    "Outcome",
    "PluginError",
    "ReleaseRef",
    "RequestContext",
    "Router",
    "RoutingRequest",
    "Scope",
    "Span",
    "Substitute",
    "Token",
    "Undecided",
    "Validator",
    "Verdict",
    "hookimpl",
    "hookspec",
    "window",
]


def __getattr__(name: str) -> object:
    """Refuse a name of an earlier version in one sentence that names the new one."""
    if name in _RENAMED:
        raise ImportError(f"postil.plugins.{name} is now called {_RENAMED[name]}; import that")
    raise AttributeError(f"module 'postil.plugins' has no attribute {name!r}")
