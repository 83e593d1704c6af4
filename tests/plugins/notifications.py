"""Something that was done, for listeners to hear of."""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from postil.plugins import Notification

AT = datetime(2024, 3, 12, 10, 0, tzinfo=UTC)


def notification(reason: str = "better") -> Notification:
    details = MappingProxyType({"weight": 5, "when": AT})
    return Notification("promote", "healthcare/triage", "ann", reason, AT, 1, 2, details)


def told(reason: str = "better") -> dict[str, Any]:
    """The same as JSON says it."""
    return {
        "action": "promote", "subject": "healthcare/triage", "actor": "ann", "reason": reason,
        "at": "2024-03-12T10:00:00+00:00", "before": 1, "after": 2,
        "details": {"weight": 5, "when": "2024-03-12 10:00:00+00:00"},
    }  # fmt: skip
