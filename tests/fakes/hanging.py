"""An engine that hangs: it says that it is well, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.fakes.http import Receive, Scope, Send
from tests.fakes.vllm import FakeVLLM

# vLLM's front end is a process of its own.
_ANSWERED = ("/health", "/metrics")
# It sends the head of a stream before its core has made anything.
_EVENTS = b"text/event-stream"


class Hanging:
    """The application, which answers no request while the file is there; streams begin, and stand still."""

    def __init__(self, app: FakeVLLM, file: Path) -> None:
        self._app = app
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""

        async def held(message: Any) -> None:
            begins = message["type"] == "http.response.start" and (b"content-type", _EVENTS) in message["headers"]
            while self._file.exists() and scope["path"] not in _ANSWERED and not begins:  # noqa: ASYNC110 - from outside
                await asyncio.sleep(0.05)
            await send(message)

        await self._app(scope, receive, held)
