"""Which bodies routes take: JSON, and forms where an adapter is uploaded; and which method brings one."""

from __future__ import annotations

from collections.abc import Iterable

from postil.gateway.errors import BadRequestError, GatewayError, UnsupportedMediaError

_JSON = b"application/json"
_TAKES_JSON = "this takes JSON; send `Content-Type: application/json`"


def refuse_other_bodies(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse a body that says it is no JSON; one that says nothing is read. Raises UnsupportedMediaError."""
    for name, value in headers:
        if name == b"content-type":
            if value != _JSON and not is_json(value):
                raise UnsupportedMediaError(_TAKES_JSON)
            return


def is_json(content_type: bytes) -> bool:
    """Return whether a content type is that of JSON, whatever its parameters."""
    return content_type.partition(b";")[0].strip().lower() == _JSON


def only_post(path: str) -> GatewayError:
    """Return the error for another method at a route that takes a body."""
    error = BadRequestError(f"{path} takes POST", code="method_not_allowed")
    error.headers = {"allow": "POST"}
    return error
