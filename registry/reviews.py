"""Answers that wait for a person, and what the person decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postil.plugins import ReleaseRef


@dataclass(frozen=True, slots=True)
class Opening:
    """A review to open: who asked what, what the model said, and why a person is to look at it.

    ``holding`` is what the client got in place of the answer, or None where it got the answer.
    """

    release: ReleaseRef
    tenant: str
    request: Mapping[str, Any]
    answer: str
    reason: str
    verdicts: Sequence[Mapping[str, Any]]
    holding: str | None
