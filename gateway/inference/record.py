"""The record of one request: which release answers, and how it ended. Observers are told once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Protocol

from postil.gateway.inference.answer_form import AnswerForm
from postil.gateway.inference.formats import FORMATS
from postil.gateway.inference.request import CompletionRequest
from postil.gateway.inference.routing.catalog import Route
from postil.gateway.tenancy.directory import Caller
from postil.plugins import ReleaseRef, Verdict


class RequestOutcome(Enum):
    """How a request ended: with an answer (or an error in its place), with its client gone, or by its own fault."""

    ANSWERED = "answered"
    LEFT = "left"
    REFUSED = "refused"


class RequestObserver(Protocol):
    """Is told of every request to a release: analysis, shadows, telemetry."""

    def started(self, record: RequestRecord) -> None:
        """A request was sent to a release."""

    def finished(self, record: RequestRecord) -> None:
        """The request has its whole answer, or has failed."""


class RequestRecord:
    """One request to a release: who asked what, which release answered, and how that went.

    Every observer is told when the request is sent on its way, and once when that way has ended.
    """

    __slots__ = (
        "_began",
        "_observers",
        "arrival",
        "caller",
        "client_caused",
        "engine_error",
        "failed_validation",
        "fell_back",
        "first_chunk",
        "form",
        "held",
        "outcome",
        "raw",
        "request",
        "route",
        "said",
        "seconds",
        "verdicts",
        "waited",
    )

    failed_validation: bool
    first_chunk: float
    client_caused: bool

    def __init__(self, caller: Caller, request: CompletionRequest, observers: Sequence[RequestObserver] = ()) -> None:
        self.caller = caller
        self.request = request
        self._observers = observers
        self._began = self.waited = 0.0
        self.outcome: RequestOutcome | None = None
        # The form in which the client wants the answer, where a policy restricts that.
        self.form: AnswerForm | None = None
        # What the model said before anything was done to it, kept only where an observer wants it.
        self.said: list[str] | None = None

    @classmethod
    def start(
        cls, route: Route, caller: Caller, request: CompletionRequest, observers: Sequence[RequestObserver] = ()
    ) -> RequestRecord:
        """A request that begins now, which the observers are told."""
        record = cls(caller, request, observers)
        record._begin(route)
        return record

    @property
    def tenant(self) -> str:
        """The tenant that asks; empty for the admin, who is none."""
        return "" if self.caller.admin else self.caller.name

    @property
    def reason(self) -> str:
        """The reason why this release answers, such as ``canary`` or ``pin``."""
        return self.route.reason

    @property
    def ref(self) -> ReleaseRef:
        """The release that answers."""
        return self.route.release.ref

    def begins(self) -> None:
        """Note that the first bytes of a stream leave."""
        if not self.first_chunk:
            self.first_chunk = time.perf_counter() - self._began

    def hear(self, choice: Mapping[str, Any]) -> None:
        """Note what the model said, before anybody judges it."""
        if self.said is not None:
            self.said.append(FORMATS[self.request.kind].completion_of(choice).text)

    def fail_validation(self, *, client_caused: bool) -> None:
        """Note that a choice did not pass. The client is the cause only if it is of every choice that did not."""
        self.client_caused = client_caused and (self.client_caused or not self.failed_validation)
        self.failed_validation = True

    def reroute(self, route: Route) -> None:
        """Finish this attempt as an engine error, and begin another with the same request."""
        self.engine_error = True
        self.finish()
        self._begin(route)

    def finish(self, how: RequestOutcome = RequestOutcome.ANSWERED) -> None:
        """Note how the request ended, and tell the observers; only the first call counts."""
        if self.outcome is None:
            self.outcome = how
            self.seconds = time.perf_counter() - self._began - self.waited
            for observer in self._observers:
                observer.finished(self)

    def _begin(self, route: Route) -> None:
        self.route = route
        self.failed_validation = False
        self.fell_back = False
        self.engine_error = False
        # That a person decides on an answer before the client gets it.
        self.held = False
        # What validators and input checks said of whole texts.
        self.verdicts: list[Verdict] = []
        # Seconds until a stream's first bytes left; 0 where there were none.
        self.first_chunk = 0.0
        # That an answer failed for a parameter of its request, so that it says nothing about the release.
        self.client_caused = False
        self.seconds = 0.0
        # For its turn at the engine; ``seconds`` is without.
        self.waited = 0.0
        self.outcome = None
        # Where the monitor keeps its place in the order of requests.
        self.arrival: Any = None
        # What was sent, kept only where a shadow's answer will be compared with it.
        self.raw: list[bytes] | None = None if route.shadow is None else []
        self._began = time.perf_counter()
        for observer in self._observers:
            observer.started(self)
