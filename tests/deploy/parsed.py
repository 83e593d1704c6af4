"""A line of the documentation as the command line reads it."""

from __future__ import annotations

from typing import Any


def parsed(words: list[str], command: Any, parent: Any = None) -> Any:
    """The command that these words call, with its arguments and options parsed. Raises a usage error."""
    context = command.make_context(words[0] if parent else "postil", list(words[bool(parent) :]), parent)
    if not hasattr(command, "commands"):
        return command
    rest = [*context._protected_args, *context.args]
    _, found, _ = command.resolve_command(context, rest)
    return parsed(rest, found, context)
