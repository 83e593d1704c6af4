"""Reads the deadline that a client sets for its request."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from postil.gateway.errors import BadRequestError

_HEADER = b"x-request-timeout"


def deadline_of(headers: Iterable[tuple[bytes, bytes]]) -> float | None:
    """When a client's ``x-request-timeout: SECONDS`` is over, by ``time.monotonic``. Raises BadRequestError."""
    for name, value in headers:
        if name == _HEADER:
            return time.monotonic() + _seconds(value)
    return None


def _seconds(value: bytes) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise BadRequestError("x-request-timeout has to be a number of seconds above 0", param="x-request-timeout")
    return seconds
