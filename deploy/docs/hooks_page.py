"""The reference of plugin hooks, kinds, and what comes with postil."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from deploy.docs.markdown import code, first_sentence, page, table
from postil.plugins import hookspecs
from postil.plugins.collect import KINDS
from postil.plugins.contract import Component
from postil.plugins.manager import PluginManager

_LEAD = (
    "A plugin implements hooks; each is called once, while the gateway starts, and returns classes of one kind. How to"
    " write one is in [the guide](../../../plugins/README.md)."
)


def hooks() -> dict[str, Callable[..., Any]]:
    """Every hook by its name."""
    marked = f"{hookspecs.PROJECT}_spec"
    return {name: one for name, one in vars(hookspecs).items() if inspect.isfunction(one) and hasattr(one, marked)}


def built_in() -> list[tuple[str, type[Component]]]:
    """What comes with postil: kind and class, ordered by kind and name."""
    plugins = PluginManager(entry_points=False)
    return [(one.kind, plugins.component(one.kind, one.name)) for one in plugins.list_components()]


def methods(kind: type[Component]) -> Sequence[str]:
    """The methods that a class of this kind has to have."""
    return sorted(getattr(kind, "__abstractmethods__", ()))


def hooks_page() -> str:
    """``hooks.md``."""
    said = [(code(name), _returns(one), first_sentence(one)) for name, one in hooks().items()]
    kinds = [_kind(word, one) for word, one in KINDS.items()]
    offered = [(code(one.name), word, one.version, first_sentence(one)) for word, one in built_in()]
    return page(
        "Hooks and kinds of plugins",
        _LEAD,
        "## Hooks",
        table(["hook", "returns", "when"], said),
        "## Kinds",
        table(["kind", "base class", "method", "what it returns or does", "what it is"], kinds),
        "## What comes with postil",
        table(["name", "kind", "version", "what it does"], offered),
    )


def _returns(hook: Callable[..., Any]) -> str:
    return code(str(inspect.signature(hook).return_annotation))


def _kind(word: str, kind: type[Component]) -> tuple[str, ...]:
    calls = [f"{name}{_parameters(getattr(kind, name))}" for name in methods(kind)]
    says = " ".join(first_sentence(getattr(kind, name)) for name in methods(kind))
    return word, code(kind.__name__), ", ".join(code(call) for call in calls), says, first_sentence(kind)


def _parameters(method: Callable[..., Any]) -> str:
    names = [name for name in inspect.signature(method).parameters if name != "self"]
    return f"({', '.join(names)})"
