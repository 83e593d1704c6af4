"""What is seen of one request on its way to an answer, told once when that is whole or has failed."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from typing import Any

from postil.gateway.inference.request import CompletionRequest
from postil.gateway.inference.routing.catalog import Route
from postil.gateway.tenancy.directory import Caller
from postil.plugins import ReleaseRef


class RequestOutcome(Enum):
    """How a request ended: with an answer (or an error in its place), with its client gone, or by its own fault."""

    ANSWERED = "answered"
    LEFT = "left"
    REFUSED = "refused"


class RequestRecord:
    """One request to a release: who asked what, which release answered, and how that went.

    ``came`` is called with this object when the request is sent on its way, and ``tell`` once when that way has ended.
    """

    __slots__ = (
        "_began",
        "_came",
        "_tell",
        "arrival",
        "ask",
        "caller",
        "engine_error",
        "failed_validation",
        "fell_back",
        "outcome",
        "raw",
        "route",
        "seconds",
        "waited",
    )

    def __init__(
        self,
        route: Route,
        caller: Caller,
        ask: CompletionRequest,
        tell: Callable[[RequestRecord], None],
        came: Callable[[RequestRecord], None] = lambda record: None,
    ) -> None:
        self.caller = caller
        self.ask = ask
        self._tell = tell
        self._came = came
        self._began = self.waited = 0.0
        self.outcome: RequestOutcome | None = None
        self._begin(route)

    @property
    def reason(self) -> str:
        """Why this release answers."""
        return self.route.reason

    @property
    def ref(self) -> ReleaseRef:
        """The release that answers."""
        return self.route.release.ref

    def reroute(self, route: Route) -> None:
        """The engine could not even begin on this way: that is told, and the same request goes on by another."""
        self.engine_error = True
        self.finish()
        self._begin(route)

    def finish(self, how: RequestOutcome = RequestOutcome.ANSWERED) -> None:
        """The answer is whole, or will not be. Only the first end counts."""
        if self.outcome is None:
            self.outcome = how
            self.seconds = time.perf_counter() - self._began - self.waited
            self._tell(self)

    def _begin(self, route: Route) -> None:
        self.route = route
        self.failed_validation = False
        self.fell_back = False
        self.engine_error = False
        self.seconds = 0.0
        # For its turn at the engine; ``seconds`` is without.
        self.waited = 0.0
        self.outcome = None
        # Where the monitor keeps its place in the order of requests.
        self.arrival: Any = None
        # What was sent, kept only where a shadow's answer will be compared with it.
        self.raw: list[bytes] | None = None if route.shadow is None else []
        self._began = time.perf_counter()
        self._came(self)
