"""The report of a method: figures for people and for ``training.json``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Answers(_Part):
    """What a model makes of held-out answers.

    ``loss`` is in nats per token, ``exact`` the share that greedy decoding gives to the letter, ``accuracy`` the share
    that it gives where it may choose among the data's answers only (None where these are no labels).
    """

    rows: int
    tokens: int
    loss: float
    token_accuracy: float
    exact: float
    accuracy: float | None = None


class Preferences(_Part):
    """Mean log-probabilities of better and worse answers.

    ``accuracy`` is how often the better one is the likelier; None where answers come one by one and not in pairs.
    """

    pairs: int
    chosen: float
    rejected: float
    accuracy: float | None = None


class Measured(_Part):
    """One model on the held-out rows; ``answers`` for sft and text, ``preferences`` for dpo and kto."""

    answers: Answers | None = None
    preferences: Preferences | None = None


class MethodReport(_Part):
    """The complete report of a run.

    ``validation`` are the rows of the figures and ``selection`` those that chose the best state; ``notes`` say what
    that means. ``served`` is the adapter as it will be served, where that is not ``trained`` to the bit. ``tokens`` are
    those that were learned, ``ended`` is the share of generated answers that ended by themselves. ``peak_memory`` is
    the process's, in bytes (the GPU's, if more).
    """

    method: str
    tune: str
    serving: str
    base: str
    base_digest: str
    reference: str | None
    reference_digest: str | None
    labels: tuple[str, ...]
    field: str | None
    instruction: str | None
    data: dict[str, Any]
    validation: dict[str, Any]
    selection: dict[str, Any]
    notes: tuple[str, ...]
    options: dict[str, Any]
    libraries: dict[str, str]
    losses: tuple[tuple[int, float], ...]
    looks: tuple[tuple[int, float], ...]
    before: Measured
    trained: Measured
    served: Measured | None
    forgetting: float
    ended: float | None
    steps: int
    tokens: int
    parameters: int
    peak_memory: int
    seconds: float
    accuracy: float | None = None
    bytes: int = 0
