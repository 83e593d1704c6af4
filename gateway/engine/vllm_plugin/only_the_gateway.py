"""vLLM answers the gateway that started it, and nobody else of the same user.

A socket of mode 0600 keeps other users out, and not what runs as the same one, such as plugins: Landlock has no say in
who connects to a unix socket. vLLM asks for a key itself, but under ``/v1`` alone, and generates at other paths too.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
# vLLM's own variable, so that its own check asks for the same key.
KEY = "VLLM_API_KEY"


class OnlyTheGateway:
    """ASGI middleware for vLLM's ``--middleware``: a request without the key is answered 401, at every path."""

    def __init__(self, app: App) -> None:
        self._app = app
        # A KeyError ends the start: without a key everybody would be let in.
        self._expected = f"Bearer {os.environ[KEY]}".encode()

    async def __call__(self, scope: Message, receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and self._knows(scope["headers"])):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

    def _knows(self, headers: Any) -> bool:
        given = [value for name, value in headers if name == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._expected)
