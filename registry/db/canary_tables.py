"""The table of canaries that are raised in steps."""

from __future__ import annotations

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel


class CanarySteps(SQLModel, table=True):
    """The shares, in per cent, that an adapter's canary goes through, and the ``step`` of them that it is at, from 0.

    The steps hold while both channels are where the last step left them: any other move of the canary or of what is
    live raises a revision, and ends them. ``held`` steps are made by hand.
    """

    domain: str = Field(primary_key=True, max_length=64)
    adapter: str = Field(primary_key=True, max_length=64)
    number: int
    steps: list[float] = Field(sa_column=Column(JSON, nullable=False))
    step: int = 0
    held: bool = False
    canary_revision: int
    stable_revision: int
