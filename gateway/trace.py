"""What is seen of one request on its way to an answer, told once when that is whole or has failed."""

from __future__ import annotations

import time
from collections.abc import Callable

from postil.gateway.catalog import Route
from postil.gateway.payload import Ask
from postil.gateway.tenants import Caller


class Trace:
    """One request to a release: who asked what, which release answered, and how that went.

    ``tell`` is called by ``end`` with this object. A request whose client left is never told of: how it would have
    gone, nobody knows.
    """

    __slots__ = (
        "_began", "_tell", "ask", "caller", "engine_error", "failed_validation", "fell_back", "raw", "route", "seconds"
    )

    def __init__(self, route: Route, caller: Caller, ask: Ask, tell: Callable[[Trace], None]) -> None:
        self.caller = caller
        self.ask = ask
        self._tell = tell
        self._began = 0.0
        self._begin(route)

    def elsewhere(self, route: Route) -> None:
        """The engine could not even begin on this way: that is told, and the same request goes on by another."""
        self.engine_error = True
        self.end()
        self._begin(route)

    def end(self) -> None:
        """The answer is whole, or will not be."""
        self.seconds = time.perf_counter() - self._began
        self._tell(self)

    def _begin(self, route: Route) -> None:
        self.route = route
        self.failed_validation = False
        self.fell_back = False
        self.engine_error = False
        self.seconds = 0.0
        # What was sent, kept only where a shadow's answer will be compared with it.
        self.raw: list[bytes] | None = None if route.shadow is None else []
        self._began = time.perf_counter()
