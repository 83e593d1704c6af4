"""The reference of commands, read from the command tree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer
from typer.models import DefaultPlaceholder

from deploy.docs.markdown import code, page, sentence, table
from postil.gateway.cli.main import make_cli

_LEAD = (
    "Every command, its arguments and its options. `--help` after any of them prints the same. A group that has a"
    " command `list` runs it where no command is named."
)


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its full name, in alphabetical order."""
    yield from sorted(_walk("postil", typer.main.get_command(make_cli())), key=lambda found: found[0])


def options(command: Any) -> list[Any]:
    """The arguments and options of a command, without those that are hidden."""
    return [one for one in command.params if not getattr(one, "hidden", False)]


def cli_page() -> str:
    """``cli.md``."""
    return page("Commands", _LEAD, *(_command(name, one) for name, one in commands()))


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for word, one in inner.items():
        if not one.hidden:
            yield from _walk(f"{name} {word}", one)


def _command(name: str, command: Any) -> str:
    arguments = [one for one in options(command) if one.opts[0][:1] != "-"]
    usage = " ".join([name, *(_argument(one) for one in arguments)])
    said = " ".join((command.help or "").split()).replace("``", "`")
    rows = [_row(one) for one in options(command)]
    listed = table(["argument or option", "value", "default", "what it does"], rows) if rows else ""
    return "\n\n".join(part for part in (f"## `{usage}`", said, listed) if part)


def _argument(one: Any) -> str:
    word = (one.metavar or one.name).upper() + ("..." if one.nargs == -1 or one.multiple else "")
    return word if one.required else f"[{word}]"


def _row(one: Any) -> tuple[str, ...]:
    option = one.opts[0][:1] == "-"
    names = ", ".join(code(name) for name in (*one.opts, *one.secondary_opts)) if option else code(_argument(one))
    many = ", several times" if one.multiple and option else ""
    return names, _value(one) + many, _default(one), sentence(one.help) if one.help else ""


def _value(one: Any) -> str:
    if getattr(one, "is_flag", False):
        return "flag"
    annotation = getattr(getattr(one, "type_descriptor", None), "annotation", None)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(code(each.value) for each in annotation)
    return one.metavar or getattr(annotation, "__name__", str(annotation)).lower()


def _default(one: Any) -> str:
    value = one.default
    if one.required:
        return "required"
    if value is None or isinstance(value, DefaultPlaceholder) or callable(value) or value in ("", False, (), []):
        return ""
    return code(value.value if isinstance(value, Enum) else json.dumps(value) if isinstance(value, bool) else value)
