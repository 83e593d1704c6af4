"""The set of adapters, good and bad, that preflight and the engine have to agree on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.adapter_draft import Draft
from postil.registry.base.model import BaseModel


@dataclass(frozen=True, slots=True)
class Case:
    """One adapter: how it differs from a good one, and what preflight says to it."""

    name: str
    change: Callable[[Draft], object]
    # What was found, what is allowed, what to do: each a part of the refusal. Nothing for an adapter that is taken.
    says: tuple[str, str, str] | None = None
    # Why preflight refuses it although the engine answers with it.
    stricter: str = ""

    def write(self, folder: Path, base: BaseModel) -> Path:
        """Make the folder of this adapter for a base."""
        draft = Draft(base)
        self.change(draft)
        return draft.write(folder)
