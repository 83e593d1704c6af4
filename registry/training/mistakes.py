"""The wrong answers of an adapter, for people who look for errors in its data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from postil.registry.training.report import Judged


class Mistake(BaseModel):
    """A validation line with a wrong answer; the most confident mistakes may be errors in data or labels."""

    model_config = ConfigDict(frozen=True)

    line: int
    message: str
    label: str
    answered: str
    probability: float


def mistakes(judged: Iterable[Judged], reject: str | None) -> tuple[Mistake, ...]:
    """Return all wrong answers to real labels, most confident first."""
    wrong = [one for one in judged if not one.right and one.example.label != reject]
    return tuple(
        Mistake(
            line=one.example.line,
            message=one.example.message,
            label=one.example.label,
            answered=one.label,
            probability=round(one.probability, 4),
        )
        for one in sorted(wrong, key=lambda one: -one.probability)
    )
