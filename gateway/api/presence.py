"""Whether the client of a request is still there; told by its connection, so that no task waits for it to leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import cast

from litestar.types import Scope

# Where the connection puts it in a request's scope.
PRESENCE = "postil.presence"


class Presence:
    """The client of one request. It is noticed to leave while its connection is read."""

    __slots__ = ("_act", "_left")

    def __init__(self) -> None:
        self._left = False
        self._act: Callable[[], None] | None = None

    def leave(self) -> None:
        """Note that the client has left, and do what was to be done then."""
        self._left = True
        if self._act is not None:
            self._act()

    def watch(self, act: Callable[[], None]) -> None:
        """Call ``act`` when the client leaves; at once, if it already has."""
        self._act = act
        if self._left:
            act()

    def unwatch(self) -> None:
        """Call nothing from now on."""
        self._act = None


async def until_gone(work: Coroutine[None, None, None], scope: Scope) -> None:
    """Run the work; if the client disconnects first, cancel it, which also stops the engine."""
    presence = cast("Presence", scope[PRESENCE])  # type: ignore[literal-required]
    task, left = asyncio.current_task(), False
    assert task is not None, "a coroutine runs in one"

    def cancel() -> None:
        nonlocal left
        left = True
        task.cancel()

    presence.watch(cancel)
    try:
        await work
    except asyncio.CancelledError:
        if not left or task.uncancel():  # Another task cancels this one too.
            raise
    finally:
        presence.unwatch()
