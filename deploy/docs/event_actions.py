"""Which actions the log can hold: read from the calls that record an event, as they stand in the registry's code."""

from __future__ import annotations

import ast
import importlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from postil import registry
from postil.registry.releases import channels
from postil.registry.reviews import reviews

# What stands in for a value that is known only when the code runs.
_CHANNELS = (channels.CANARY, channels.SHADOW)
_STATUSES = (reviews.APPROVED, reviews.EDITED, reviews.REJECTED)
_VALUES: Mapping[str, tuple[str, ...]] = {"which": _CHANNELS, "found.name": _CHANNELS, "status": _STATUSES}


def event_actions() -> list[str]:
    """Every action, in alphabetical order. What cannot be resolved stands in angle brackets."""
    root = Path(str(registry.__file__)).parent
    found: set[str] = set()
    for path in sorted(root.rglob("*.py")):
        if "migrations" not in path.parts and "action" in (text := path.read_text(encoding="utf-8")):
            name = ".".join((registry.__name__, *path.relative_to(root).with_suffix("").parts))
            found.update(_in_module(ast.parse(text), importlib.import_module(name)))
    return sorted(found)


def _in_module(tree: ast.Module, module: ModuleType) -> Iterator[str]:
    takes = {
        node.name: [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            given = _action(call, takes)
            # One that is passed on is found where it is given.
            if given is not None and ast.unparse(given) != "action":
                yield from _values(given, module)


def _action(call: ast.Call, takes: Mapping[str, list[str]]) -> ast.expr | None:
    """The expression for ``action`` in a call that records an event, or that passes one on to a function here."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    parameters = [each for each in takes.get(name, ()) if each != "self"]
    if name != "record" and "action" not in parameters:
        return None
    for keyword in call.keywords:
        if keyword.arg == "action":
            return keyword.value
    at = parameters.index("action") if "action" in parameters else len(call.args)
    return call.args[at] if at < len(call.args) else None


def _values(given: ast.expr, module: ModuleType) -> list[str]:
    if isinstance(given, ast.Constant):
        return [str(given.value)]
    if isinstance(given, ast.JoinedStr):
        return ["".join(parts) for parts in itertools.product(*(_values(part, module) for part in given.values))]
    if isinstance(given, ast.FormattedValue):
        return _values(given.value, module)
    if isinstance(given, ast.IfExp):
        return [*_values(given.body, module), *_values(given.orelse, module)]
    text = ast.unparse(given)
    here = getattr(module, text, None)
    return [str(here)] if isinstance(here, str) else list(_VALUES.get(text, (f"<{text}>",)))
