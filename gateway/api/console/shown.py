"""How values are shown on pages: times, figures and words."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from math import log
from typing import Any

from msgspec import UNSET

from postil.gateway.api.admin.schemas.diff import PolicyChange
from postil.gateway.control.analysis.comparison import SignalState
from postil.registry.db.tables import utcnow
from postil.registry.text import CONTROLS

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"))
# Words that the log stores, as they are said today.
_ACTIONS = {
    "canary-end": "stop canary",
    "shadow-end": "stop shadow",
    "canary-hold": "hold canary",
    "canary-continue": "continue canary",
    "canary-steps-end": "end canary steps",
    "unretire": "restore",
    "collect": "collect files",
}


def ago(at: datetime | str, now: datetime | None = None) -> str:
    """Return how long ago a time was, in its largest unit: ``3 hours ago``."""
    seconds = int(((now or utcnow()) - instant(at)).total_seconds())
    return f"{lasted(seconds)} ago" if seconds >= 60 else "just now"


def lasted(seconds: float) -> str:
    """Return a duration in its largest unit: ``3 hours``."""
    for size, unit in _UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


def instant(at: datetime | str) -> datetime:
    """Return a time of a row or of the API's text."""
    found = datetime.fromisoformat(at) if isinstance(at, str) else at
    return found.astimezone(UTC)


def minute(at: datetime | str) -> str:
    """Return a time to the minute: ``2026-11-30 13:45 UTC``."""
    return instant(at).strftime("%Y-%m-%d %H:%M UTC")


def machine(at: datetime | str) -> str:
    """Return a time as ``<time datetime>`` has it."""
    return instant(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def action(stored: str) -> str:
    """Return an action of the log in today's words."""
    return _ACTIONS.get(stored, stored.replace("-", " "))


def plain(text: Any) -> str:
    """Return a text of a client, a model or a person with its controls escaped, and its lines kept."""
    return CONTROLS.sub(_escaped, str(text).replace("\r\n", "\n"))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def value(found: Any) -> str:
    """Return a value of a policy or a figure, as JSON where it is no text."""
    if found is None:
        return "none"
    if isinstance(found, float):
        return f"{found:g}"
    return plain(found if isinstance(found, str) else json.dumps(found, ensure_ascii=False))


def percent(share: float) -> str:
    """Return a share of 1 in per cent."""
    return f"{share * 100:.3g} %"


def pretty(found: Any) -> str:
    """Return a value as JSON that is easy to read."""
    return plain(json.dumps(found, ensure_ascii=False, indent=2))


def progress(signal: SignalState) -> float:
    """Return how far an e-value is on its way from 1 to its threshold, of 1, as its logarithm grows."""
    if signal.e_value <= 1:
        return 0.0
    return round(min(1.0, log(signal.e_value) / log(signal.threshold)), 4)


def sides(change: PolicyChange) -> tuple[str | None, str | None]:
    """Return what a part of a policy was and is; None for both where the lines of a text say it better."""
    if change.lines is not UNSET:
        return None, None
    before, after = ("not there" if one is UNSET else value(one) for one in (change.before, change.after))
    return before, after
