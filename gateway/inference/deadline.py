"""Reads the deadline that a client sets for its request."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import replace

from postil.gateway.errors import BadRequestError
from postil.gateway.inference.request import CompletionRequest

_HEADER = b"x-request-timeout"


def timed(ask: CompletionRequest, headers: Iterable[tuple[bytes, bytes]]) -> CompletionRequest:
    """The request with the deadline that its client set by ``x-request-timeout: SECONDS``. Raises BadRequestError."""
    for name, value in headers:
        if name == _HEADER:
            return replace(ask, deadline=time.monotonic() + _seconds(value))
    return ask


def _seconds(value: bytes) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise BadRequestError("x-request-timeout has to be a number of seconds above 0", param="x-request-timeout")
    return seconds
