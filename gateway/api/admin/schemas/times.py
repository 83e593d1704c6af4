"""How instants look in the admin API."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(at: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def stamp_or_none(at: datetime | None) -> str | None:
    """The same, where there may be no instant."""
    return stamp(at) if at else None
