from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from postil.plugins import builtin, hookspecs

HOOKS: list[Callable[..., Any]] = [
    value for name, value in inspect.getmembers(hookspecs, inspect.isfunction) if name.startswith("postil_")
]


def builtins() -> list[ModuleType]:
    """Every module of the plugins that come with postil."""
    found = pkgutil.iter_modules(builtin.__path__, f"{builtin.__name__}.")
    return [importlib.import_module(module.name) for module in found]


def test_there_are_hooks() -> None:
    assert {hook.__name__ for hook in HOOKS} == {
        "postil_validators", "postil_input_checks", "postil_fallback_rules", "postil_routers", "postil_gates",
        "postil_listeners",
    }  # fmt: skip


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: str(hook.__name__))
def test_every_hook_says_when_it_fires(hook: Callable[..., Any]) -> None:
    assert (inspect.getdoc(hook) or "").startswith("Fires ")


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: str(hook.__name__))
def test_every_hook_is_typed(hook: Callable[..., Any]) -> None:
    signature = inspect.signature(hook)
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(value.annotation is not inspect.Parameter.empty for value in signature.parameters.values())


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: str(hook.__name__))
def test_every_hook_is_used_by_a_plugin_of_our_own(hook: Callable[..., Any]) -> None:
    assert any(hasattr(module, hook.__name__) for module in builtins())


@pytest.mark.parametrize("module", builtins(), ids=lambda module: str(module.__name__.rpartition(".")[2]))
def test_every_plugin_of_our_own_offers_something(module: ModuleType) -> None:
    assert any(getattr(module, hook.__name__, list)() for hook in HOOKS)
