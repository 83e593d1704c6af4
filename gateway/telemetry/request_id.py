"""The id of the request that is being answered: its client's, or one that is made here."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar
from itertools import count

HEADER = b"x-request-id"
MOST_CHARACTERS = 128
# What is safe in a log's line, a header and a JSON text.
SAFE = f"[A-Za-z0-9._:=+/@-]{{1,{MOST_CHARACTERS}}}"
_SAFE = re.compile(SAFE.encode())
# Each request runs in a context of its own, as do the threads and tasks that it starts.
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """Return the id of the request that is being answered here, or an empty text."""
    return REQUEST_ID.get()


class RequestIds:
    """Gives each request of one process an id."""

    def __init__(self) -> None:
        self._prefix = f"req-{secrets.token_hex(6)}-"
        self._numbers = count(1)

    def of(self, sent: bytes | None) -> str:
        """Return the id that a client sent, if it can be taken, else a new one."""
        if sent is not None and _SAFE.fullmatch(sent):
            return sent.decode("ascii")
        return f"{self._prefix}{next(self._numbers):x}"
