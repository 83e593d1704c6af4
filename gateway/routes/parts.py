"""What the routes of the admin API share."""

from __future__ import annotations

from typing import Any

from litestar import Request

from postil.registry.names import AdapterName, parse_adapter

AnyRequest = Request[Any, Any, Any]


def adapter_name(domain: str, adapter: str) -> AdapterName:
    """The adapter that a path names. Raises NameInvalidError."""
    return parse_adapter(f"{domain}/{adapter}")


def actor(request: AnyRequest) -> str:
    """Who did it, as they say themselves: one key is shared by all who administer."""
    return request.headers.get("x-postil-actor", "admin")[:200]
