"""The tables of fine-tuning: uploaded files, jobs, and what was told of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column
from sqlmodel import Field, SQLModel

from postil.registry.db.tables import utcnow


class TrainingFile(SQLModel, table=True):
    """An uploaded file of a domain. Its content is on the disk, under its id; ``digest`` is that of its bytes."""

    id: str = Field(primary_key=True, max_length=40)
    domain: str = Field(max_length=64, index=True)
    owner: str
    filename: str
    purpose: str = Field(max_length=32)
    bytes: int = Field(sa_type=BigInteger)
    digest: str = Field(max_length=71)
    # How many examples it holds.
    rows: int
    created_at: datetime = Field(default_factory=utcnow)
    expires_at: datetime | None = Field(default=None, index=True)


class TrainingJob(SQLModel, table=True):
    """A fine-tuning job: what was asked, how far it is, and what came of it.

    ``options`` are the request's own: hyperparameters, and what only postil has. ``scope`` are the domains that its
    owner worked on when it was made (None: all); ``made_with`` is by what the key that made it is found again (empty:
    the key file). The gateway that works on it has a claim, which expires.
    """

    id: str = Field(primary_key=True, max_length=40)
    domain: str = Field(max_length=64, index=True)
    adapter: str = Field(max_length=64)
    owner: str
    scope: list[str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    made_with: str = Field(default="", max_length=64)
    status: str = Field(max_length=16, index=True)
    model: str
    training_file: str = Field(max_length=40, index=True)
    validation_file: str | None = Field(default=None, max_length=40, index=True)
    seed: int = Field(sa_type=BigInteger)
    options: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    # OpenAI's ``metadata``, a name that tables cannot have.
    remarks: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    fine_tuned_model: str | None = None
    metrics: dict[str, float] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    step: int = 0
    steps: int = 0
    # How often its process has ended before its work was done.
    crashes: int = 0
    created_at: datetime = Field(default_factory=utcnow)
    finished_at: datetime | None = None
    estimated_finish: datetime | None = None
    claimed_by: str | None = Field(default=None, max_length=32)
    claimed_until: datetime | None = None


class TrainingEvent(SQLModel, table=True):
    """What a job told at one moment; ``kind`` is ``message`` or ``metrics``, whose figures are in ``data``."""

    id: int | None = Field(default=None, primary_key=True)
    job: str = Field(max_length=40, index=True)
    at: datetime = Field(default_factory=utcnow)
    level: str = Field(max_length=8)
    kind: str = Field(max_length=16)
    message: str
    data: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


class HeldOutUse(SQLModel, table=True):
    """That an adapter of a domain was measured with a file of held-out rows; ``digest`` is the file's.

    ``measured`` is what was measured: a release's artifact, or the digest of what a round trained, which may become a
    release later. So one adapter counts once for a file, however often it is measured.
    """

    domain: str = Field(primary_key=True, max_length=64)
    digest: str = Field(primary_key=True, max_length=71)
    measured: str = Field(primary_key=True, max_length=71)
    adapter: str = Field(max_length=64)
    actor: str
    at: datetime = Field(default_factory=utcnow)
