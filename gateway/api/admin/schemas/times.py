"""Times in responses."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(at: datetime) -> str:
    """Return the time as RFC 3339 in UTC, with milliseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def stamp_or_none(at: datetime | None) -> str | None:
    """Return the same, or None."""
    return stamp(at) if at else None
