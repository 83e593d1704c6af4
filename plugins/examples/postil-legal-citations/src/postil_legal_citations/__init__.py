"""Plugins of the legal team for postil."""

from __future__ import annotations

from collections.abc import Sequence

from postil.plugins import InputCheck, Listener, Validator, hookimpl

from postil_legal_citations.changes import Changes
from postil_legal_citations.citations import Citations
from postil_legal_citations.privileged import Privileged


@hookimpl
def postil_validators() -> Sequence[type[Validator]]:
    """What judges answers."""
    return [Citations]


@hookimpl
def postil_input_checks() -> Sequence[type[InputCheck]]:
    """What judges requests."""
    return [Privileged]


@hookimpl
def postil_listeners() -> Sequence[type[Listener]]:
    """What hears of releases."""
    return [Changes]
