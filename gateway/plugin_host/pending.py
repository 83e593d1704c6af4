"""A call to a plugin that is awaited until its deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

from postil.gateway.plugin_host.ports import DidNotRunError
from postil.gateway.plugin_host.protocol import ComponentSpec


class CallOwner(Protocol):
    """The process or domain that a call is with."""

    def expired(self, call: PendingCall) -> str:
        """Give a call up at its deadline. Returns the verb of the error: ``took``, ``waited to be set up for``."""


class PendingCall:
    """One call with its deadline. ``over`` is called once when it has ended, in whichever way."""

    __slots__ = ("_over", "_timer", "arguments", "due", "future", "holder", "id", "method", "needed", "seconds")

    def __init__(
        self,
        needed: ComponentSpec,
        method: str,
        arguments: bytes,
        seconds: float,
        over: Callable[[PendingCall], None],
        future: asyncio.Future[Any],
        due: float,
    ) -> None:
        self.needed = needed
        self.method = method
        self.arguments = arguments
        self.seconds = seconds
        self.due = due
        self.future = future
        self.holder: CallOwner | None = None
        self.id: int | None = None
        self._over = over
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def start(
        cls,
        needed: ComponentSpec,
        method: str,
        arguments: bytes,
        seconds: float,
        over: Callable[[PendingCall], None],
    ) -> PendingCall:
        """A call whose time begins now."""
        loop = asyncio.get_running_loop()
        call = cls(needed, method, arguments, seconds, over, loop.create_future(), time.monotonic() + seconds)
        call._timer = loop.call_later(seconds, call._expire)
        return call

    def settle(self, result: object) -> None:
        """End the call with a result."""
        self._end()
        if not self.future.done():  # Whoever asked may have left.
            self.future.set_result(result)

    def fail(self, why: str) -> None:
        """End the call as not run; ``why`` completes the sentence "it ..."."""
        self._end()
        if not self.future.done():
            self.future.set_exception(DidNotRunError(why))

    def _expire(self) -> None:
        did = self.holder.expired(self) if self.holder else "waited"
        self.fail(f"{did} longer than {self.seconds * 1000:.0f} ms")

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._over(self)
