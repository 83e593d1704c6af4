"""Every text file and every pipe of the product is UTF-8, whatever the locale: no call leaves that to chance."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("gateway", "registry", "plugins", "deploy")
# Methods and functions that open text unless a mode says otherwise, and the place of their mode.
OPENING = {"open": 0, "read_text": None, "write_text": None, "fdopen": 1, "NamedTemporaryFile": 0, "TemporaryFile": 0}
BINARY_BY_ITSELF = {"NamedTemporaryFile", "TemporaryFile"}
# What is called `open` and opens no file.
OTHERS = {"os", "LocalStore", "Weights", "Channel", "tarfile", "archive", "self"}


def sources() -> list[Path]:
    """The product's own files."""
    return [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]


def left_to_the_locale(tree: ast.AST) -> Iterator[int]:
    """The lines of calls that read or write text in whatever encoding the locale has."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        named = {word.arg for word in node.keywords}
        text = any(word.arg == "text" and getattr(word.value, "value", None) is True for word in node.keywords)
        if (text or _opens_text(node, named)) and not named & {"encoding", None}:
            yield node.lineno


def _opens_text(call: ast.Call, named: set[str | None]) -> bool:
    function = call.func
    method = isinstance(function, ast.Attribute)
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name not in OPENING or "mode" in named:
        return False
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id in OTHERS:
        return name == "fdopen" and _is_text_mode(call, 1)
    if name in ("read_text", "write_text"):
        return len(call.args) < (1 if name == "read_text" else 2)
    if name == "open" and method:
        return bool(call.args) and _is_text_mode(call, 0)
    place = 1 if name in ("open", "fdopen") else 0
    return _is_text_mode(call, place) if len(call.args) > place else name not in BINARY_BY_ITSELF


def _is_text_mode(call: ast.Call, place: int) -> bool:
    if len(call.args) <= place:
        return True
    mode = call.args[place]
    return isinstance(mode, ast.Constant) and isinstance(mode.value, str) and "b" not in mode.value


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("path.read_text()", True),
        ("path.read_text(encoding='utf-8')", False),
        ("path.write_text(text)", True),
        ("path.open('w')", True),
        ("path.open('rb')", False),
        ("open(path)", True),
        ("open(path, 'ab')", False),
        ("os.fdopen(number, 'w')", True),
        ("os.fdopen(number, 'wb')", False),
        ("os.open(path, flags)", False),
        ("subprocess.run(command, text=True)", True),
        ("subprocess.run(command, encoding='utf-8')", False),
        ("tempfile.TemporaryFile()", False),
        ("tempfile.NamedTemporaryFile('w')", True),
    ],
)
def test_such_calls_are_found(line: str, found: bool) -> None:
    assert bool([*left_to_the_locale(ast.parse(line))]) is found


def test_no_encoding_is_left_to_the_locale() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources()
        for line in left_to_the_locale(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []
