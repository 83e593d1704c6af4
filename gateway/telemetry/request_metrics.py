"""Counts how requests end and what they use. An observer of requests: what it does costs every request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from postil.gateway.telemetry import metric_table as metrics
from postil.gateway.telemetry.sums import Sums
from postil.plugins import ReleaseRef, Verdict

_BASE, _NO_RELEASE = "base", ""
# How requests end that came to a release; the other outcomes are the client's own doing.
ANSWERED, FALLBACK, HELD, UNVALIDATED, ENGINE_ERROR = OUTCOMES = (
    "answered", "fallback", "held", "unvalidated", "engine_error",
)  # fmt: skip


class FinishedRequest(Protocol):
    """What is read of a request that has ended."""

    engine_error: bool
    failed_validation: bool
    fell_back: bool
    held: bool
    first_chunk: float
    seconds: float
    waited: float
    outcome: Any

    @property
    def verdicts(self) -> Sequence[Verdict]:
        """What was said of whole texts."""

    @property
    def reason(self) -> str:
        """Why this release answered."""

    @property
    def ref(self) -> ReleaseRef:
        """The release that answered."""


class RequestMetrics:
    """Adds every request that ends to ``sums``."""

    def __init__(self, sums: Sums) -> None:
        self._sums = sums

    def started(self, record: object) -> None:
        """A request that only begins is not counted."""

    def finished(self, record: FinishedRequest) -> None:
        """Count a request that has ended."""
        sums, ref = self._sums, record.ref
        adapter, release = ref.name, str(ref.number)
        sums.count((metrics.REQUESTS, adapter, release, record.reason, outcome_of(record)))
        sums.observe((metrics.DURATION, adapter, release), record.seconds + record.waited)
        sums.observe((metrics.QUEUE_WAIT,), record.waited)
        if record.first_chunk:
            sums.observe((metrics.FIRST_CHUNK, adapter, release), record.first_chunk)
        for verdict in record.verdicts:
            sums.count((metrics.VERDICTS, adapter, release, verdict.validator, verdict.outcome.value))

    def used(self, domain: str, adapter: str, number: int, kind: str, prompt: int, completion: int) -> None:
        """Count one request to the engine; without an adapter it is the base's."""
        name, release = (f"{domain}/{adapter}", str(number)) if adapter else (_BASE, _NO_RELEASE)
        self._sums.count((metrics.ENGINE_REQUESTS, name, release, kind))
        self._sums.count((metrics.TOKENS, name, release, "prompt"), prompt)
        self._sums.count((metrics.TOKENS, name, release, "completion"), completion)


def outcome_of(record: FinishedRequest) -> str:
    """How a request ended, in one word; a request that a policy's fallback answered did not end in an error."""
    ended = record.outcome.value
    if ended != ANSWERED:
        return "client_left" if ended == "left" else "refused"
    if record.held:
        return HELD
    if record.fell_back:
        return FALLBACK
    if record.engine_error:
        return ENGINE_ERROR
    return UNVALIDATED if record.failed_validation else ANSWERED
