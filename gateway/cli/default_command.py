"""A group of commands that is a command itself: what is none of its commands goes to the one that it stands for."""

from __future__ import annotations

from typing import Any, ClassVar

from typer.core import TyperGroup


class ListByDefault(TyperGroup):
    """``postil releases healthcare/triage`` is ``postil releases list healthcare/triage``."""

    default: ClassVar[str] = "list"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command in front, unless a command or the help is asked for."""
        if not args or args[0] not in (*self.commands, "--help"):
            args = [self.default, *args]
        return super().parse_args(ctx, args)
