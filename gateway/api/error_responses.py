"""Errors of the door as bytes: in OpenAI's shape under ``/v1``, as problem details (RFC 9457) elsewhere."""

from __future__ import annotations

import msgspec
from litestar.types import Send

from postil.gateway.errors import GatewayError

PROBLEM = "application/problem+json"
_JSON = "application/json"


def rendered(path: str, error: GatewayError, status: int | None = None) -> tuple[str, bytes]:
    """The content type and the body of an error; a path that is not known yet counts as OpenAI's."""
    if not path or path.startswith("/v1"):
        return _JSON, msgspec.json.encode(error.openai())
    return PROBLEM, msgspec.json.encode(problem(status or error.status, error.type, str(error)))


def problem(status: int, kind: str, detail: str) -> dict[str, object]:
    """Problem details."""
    return {"type": f"about:blank#{kind}", "title": kind.replace("_", " "), "status": status, "detail": detail}


async def tell(error: GatewayError, path: str, send: Send) -> None:
    """Answer a request by an error alone."""
    content_type, body = rendered(path, error)
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    if error.retry_after is not None:
        headers.append((b"retry-after", str(error.retry_after).encode()))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
