"""A command group with a default command, which runs when no subcommand is named."""

from __future__ import annotations

from typing import Any, ClassVar

from typer.core import TyperGroup


class ListByDefault(TyperGroup):
    """``postil releases healthcare/triage`` is ``postil releases list healthcare/triage``."""

    default: ClassVar[str] = "list"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the default command, unless the arguments name a command or ask for help."""
        if not args or args[0] not in (*self.commands, "--help"):
            args = [self.default, *args]
        return super().parse_args(ctx, args)
