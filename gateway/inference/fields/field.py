"""What a row of the table says of a field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from postil.gateway.inference.field_types import FieldType


class Use(StrEnum):
    """What is done with a field. What is ignored is taken and not sent to the engine.

    Nor is what is compared: it is held against what the policy allows.
    """

    PASSED = "passed"
    COMPARED = "compared"
    IGNORED = "ignored"
    REFUSED = "refused"


class Guard(Enum):
    """How far a release guards its answers."""

    OPEN = "open"  # The base, or a release without a policy.
    POLICY = "policy"  # A policy puts something in front, fixes sampling, or checks.
    CONSTRAINT = "constraint"  # A policy restricts the output.

    # Members are single objects that are looked up by in each request: Enum's own hash is of their names.
    __hash__ = object.__hash__


class Origin(StrEnum):
    """Whose field it is. vLLM ignores fields of OpenAI's that it has not."""

    OPENAI = "OpenAI"
    VLLM = "vLLM"


@dataclass(frozen=True, slots=True)
class Field:
    """A field: its type, what is done with it at each guard, and which values are as good as none.

    ``instead`` ends the sentence that refuses it everywhere.
    """

    type: FieldType
    uses: tuple[Use, Use, Use]
    origin: Origin = Origin.VLLM
    neutral: Sequence[Any] = ()
    instead: str = ""
    note: str = ""

    def use(self, guard: Guard) -> Use:
        """What is done with it at a guard."""
        return self.uses[_ORDER.index(guard)]

    def is_neutral(self, value: Any) -> bool:
        """Whether a value says what its absence says. A bool is no number here either."""
        return any(type(value) is type(known) and value == known for known in self.neutral)


_ORDER = (Guard.OPEN, Guard.POLICY, Guard.CONSTRAINT)
