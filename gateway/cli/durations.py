"""Durations as people write them: ``90d``, ``24h``, ``30m``, ``45s``."""

from __future__ import annotations

import re

import typer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SPAN = re.compile(r"([0-9]{1,9})([smhdw])")


def span(text: str) -> float:
    """Return the duration in seconds. Raises typer.BadParameter."""
    match = _SPAN.fullmatch(text.strip().lower())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a duration; use one such as 90d, 24h, 30m or 0s")
    return float(int(match[1]) * _UNITS[match[2]])
