"""Creates the package of a new plugin: a working example that passes its own tests."""

from __future__ import annotations

import keyword
import re
import sys
from enum import StrEnum
from importlib import metadata, resources
from pathlib import Path
from string import Template

from postil import plugins as contract
from postil.gateway.cli.api_client import CommandError

_NAME = re.compile(r"[a-z](?:[a-z0-9]|[-_](?=[a-z0-9])){0,62}")
# The files of every package with their templates, whichever kind of plugin it has.
_COMMON = {"pyproject.toml": "pyproject", "README.md": "readme", ".gitignore": "gitignore"}


class Kind(StrEnum):
    """The kind of a plugin."""

    VALIDATOR = "validator"
    INPUT_CHECK = "input-check"
    FALLBACK_RULE = "fallback-rule"
    ROUTER = "router"
    GATE = "gate"
    LISTENER = "listener"


def write_plugin(name: str, kind: Kind, folder: Path) -> Path:
    """Write the package into a new folder and return the folder. Raises CommandError and then leaves nothing."""
    names = _names(name, kind)
    place = folder / name
    files = _files(names, kind)
    if place.exists():
        raise CommandError(f"{place} already exists; choose another name, or another --dir")
    try:
        place.mkdir(parents=True)
    except OSError as error:
        raise CommandError(f"{place} cannot be made ({error.strerror}); choose another --dir") from error
    for path, text in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text, encoding="utf-8")
    return place


def _names(name: str, kind: Kind) -> dict[str, str]:
    """Derive the names of distribution, module, class and policy entry. Raises CommandError."""
    module = name.replace("-", "_")
    if not _NAME.fullmatch(name):
        raise CommandError(
            f"{name!r} is not a package name; use lower-case letters, digits, - and _, such as legal-citations"
        )
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or module in ("plugins", "postil", "tests"):
        raise CommandError(f"{name!r} is taken by Python, postil or the tests; choose another name")
    from postil.plugins.manager import PluginManager

    used = name.removeprefix("postil-")
    words = re.split(r"[-_]", used)
    class_name = "".join(word.capitalize() for word in words)
    if not class_name[0].isalpha() or class_name in contract.__all__:
        class_name = f"Our{class_name}"
    taken = [component.name for component in PluginManager(entry_points=False).list_components()]
    if used in taken:
        raise CommandError(f"postil has a plugin called {used!r} itself; choose another name")
    return {
        "name": name,
        "module": module,
        "used": used,
        "class_name": class_name,
        "a_kind": _with_article(kind),
        "title": " ".join(words).capitalize(),
        "postil": metadata.version("postil"),
    }


def _with_article(kind: Kind) -> str:
    return f"{'An' if kind.value[0] in 'aeiou' else 'A'} {kind.value.replace('-', ' ')}"


def _files(names: dict[str, str], kind: Kind) -> dict[str, str]:
    """Return the files by their path in the package."""
    source = f"src/{names['module']}"
    templates = {
        **_COMMON,
        f"{source}/__init__.py": f"{kind}-module",
        f"tests/test_{names['module']}.py": f"{kind}-test",
    }
    use = Template(_template(f"{kind}-use")).substitute(names).rstrip()
    written = {path: Template(_template(name)).substitute(names, use=use) for path, name in templates.items()}
    return {**written, f"{source}/py.typed": ""}


def _template(name: str) -> str:
    return resources.files("postil.gateway.cli").joinpath("templates", f"{name}.txt").read_text(encoding="utf-8")
