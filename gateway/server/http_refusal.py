"""What a connection is told that does not get as far as a route."""

from __future__ import annotations

from http import HTTPStatus

from postil.gateway.api.error_responses import render
from postil.gateway.errors import BadRequestError, DemoOnlyError, TooManyConnectionsError

_ERRORS = dict.fromkeys((400, 408, 431), BadRequestError) | {403: DemoOnlyError, 503: TooManyConnectionsError}


def refusal(status: int, path: str, text: str, common: bytes) -> bytes:
    """Return the whole answer, which is the connection's last. ``common`` are the lines that all answers have."""
    answer = render(path, _ERRORS[status](text), status)
    told = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{told}"
        f"content-length: {len(answer.body)}\r\ncache-control: no-store\r\n"
    )
    return head.encode("ascii") + common + b"\r\n" + answer.body
