"""The names of tenants' rights, for commands too, which need no database."""

from __future__ import annotations

from enum import StrEnum


class Right(StrEnum):
    """What a tenant may do beyond asking what its domains serve."""

    BASE = "base"  # Ask the base, which has no policy.
    GRAMMARS = "grammars"  # Send grammars, regular expressions and structural tags of its own.
    NUMBERS = "numbers"  # Ask for releases by number, not only for what a channel or a pin points to.


DEFAULT_RIGHTS = frozenset({Right.BASE})
