"""The tables that keep one from harming another: evidence by tenant, refused attempts, and webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column
from sqlmodel import Field, SQLModel

from postil.registry.db.tables import utcnow


class Evidence(SQLModel, table=True):
    """What one tenant's requests showed of a release, summed for each signal.

    ``signal`` is what was looked at, such as ``engine_error`` or a validator's name. ``bad`` of ``seen`` requests
    showed it.
    """

    domain: str = Field(primary_key=True, max_length=64)
    adapter: str = Field(primary_key=True, max_length=64)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    tenant: str = Field(primary_key=True, max_length=64)
    signal: str = Field(primary_key=True, max_length=64)
    seen: int = Field(default=0, sa_type=BigInteger)
    bad: int = Field(default=0, sa_type=BigInteger)
    updated_at: datetime = Field(default_factory=utcnow)


class DeniedAttempt(SQLModel, table=True):
    """Requests that were refused, added up: whose key, from where, which route. The oldest rows are dropped."""

    id: int | None = Field(default=None, primary_key=True)
    first_at: datetime
    last_at: datetime = Field(index=True)
    actor: str
    address: str = Field(max_length=64)
    route: str
    status: int
    count: int = 1
    details: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


class Webhook(SQLModel, table=True):
    """Where decisions of reviews are sent: an admin's object that policies name.

    ``secret`` signs each message; while ``previous_secret`` holds, each message has both signatures.
    """

    name: str = Field(primary_key=True, max_length=64)
    url: str
    domains: list[str] = Field(sa_column=Column(JSON, nullable=False))
    secret: str
    previous_secret: str | None = None
    previous_until: datetime | None = None
    allow_private: bool = False
    created_at: datetime = Field(default_factory=utcnow)
