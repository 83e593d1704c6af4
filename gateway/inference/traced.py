"""The parts of the data plane that tell a request's trace; they take the others' place only where traces are on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from postil.gateway.engine.client import EngineClient
from postil.gateway.engine.lease import EngineLease, LeaseProvider, Weights
from postil.gateway.inference.metering import MeteredEngine, UsageMeter
from postil.gateway.inference.ports import ReviewSink
from postil.gateway.inference.routing.catalog import BASE
from postil.gateway.telemetry import conventions as names
from postil.gateway.telemetry.trace import Attribute, RequestTrace, Span, current_trace, ended, sent_under
from postil.gateway.tenancy.directory import Caller
from postil.plugins import ReleaseRef
from postil.registry.accounts.usage import ANSWER
from postil.registry.policy.policy import ReviewRules
from postil.registry.reviews.reviews import ReviewRequest

# Numbers of a request that its span tells, by the names that the engine takes them by.
_NUMBERS = {
    "temperature": names.TEMPERATURE,
    "top_p": names.TOP_P,
    "seed": names.SEED,
    "max_tokens": names.MAX_TOKENS,
    "max_completion_tokens": names.MAX_TOKENS,
}


class TracedLeases:
    """Leases whose wait is a span of the request that waits."""

    def __init__(self, leases: LeaseProvider) -> None:
        self._leases = leases

    @property
    def client(self) -> EngineClient:
        """The engine. Raises EngineUnavailableError."""
        return self._leases.client

    def lease(
        self, tenant: str, weights: Weights | None, cost: int, *, deadline: float | None, retry: bool
    ) -> EngineLease:
        """A lease for one request, not acquired yet."""
        trace = current_trace()
        span = None if trace is None else trace.root.child(names.ADMISSION)
        try:
            lease = self._leases.lease(tenant, weights, cost, deadline=deadline, retry=retry)
        except BaseException as error:
            if span is not None:
                span.end(type(error).__name__)
            raise
        return lease if span is None else TracedLease(lease, span)

    def adapter_lost(self, name: str) -> None:
        """Note that the engine does not have the weights of this name loaded after all."""
        self._leases.adapter_lost(name)


class TracedLease:
    """A lease with the span of its wait, which ends when it is acquired: a slot is free, and the weights are loaded."""

    __slots__ = ("_lease", "_span", "waited")

    def __init__(self, lease: EngineLease, span: Span) -> None:
        self._lease = lease
        self._span = span
        self.waited = 0.0

    def try_acquire(self) -> bool:
        """Acquire it if it can be had at once."""
        try:
            acquired = self._lease.try_acquire()
        except BaseException as error:
            self._span.end(type(error).__name__)
            raise
        if acquired:
            self._span.end()
        return acquired

    async def wait(self) -> None:
        """Wait for it."""
        with ended(self._span):
            try:
                await self._lease.wait()
            finally:
                self.waited = self._lease.waited
                self._span.set(names.WAITED, self.waited)

    def release(self) -> None:
        """Give it back."""
        self._lease.release()


class TracedMeter(UsageMeter):
    """A meter whose requests to the engine are spans."""

    @classmethod
    def of(cls, meter: UsageMeter) -> TracedMeter:
        """Return one that counts where another one does."""
        assert meter.limiter is not None, "that of shadows is made of this one"
        traced = cls(meter.ledger, meter.limiter)
        traced.fingerprint = meter.fingerprint
        return traced

    def on(self, client: EngineClient, caller: Caller, release: ReleaseRef | None, kind: str = ANSWER) -> MeteredEngine:
        """The engine for one caller and one release (None: the base)."""
        trace = current_trace()
        if trace is None:
            return super().on(client, caller, release, kind)
        return TracedEngine(trace, self, client, caller, release, self._kind or kind)


class TracedEngine(MeteredEngine):
    """Asks the engine once, as a span of the request's trace that the engine goes on with."""

    __slots__ = ("_span", "_trace")

    def __init__(
        self,
        trace: RequestTrace,
        meter: UsageMeter,
        client: EngineClient,
        caller: Caller,
        release: ReleaseRef | None,
        kind: str,
    ) -> None:
        super().__init__(meter, client, caller, release, kind)
        self._trace = trace
        self._span: Span | None = None

    async def post(self, path: str, request: Mapping[str, Any]) -> bytes:
        """Send JSON and read the whole answer."""
        span = self._begun(path, request)
        with ended(span), sent_under(span):
            return await super().post(path, request)

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        request: Mapping[str, Any],
        choices: int | None = None,
        on_end: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Send JSON and hand out the events. The span ends with the engine's work, however slowly a client reads."""
        span, ends = self._begun(path, request), list[int]()

        def engine_ended() -> None:
            ends.append(time.time_ns())
            on_end()

        try:
            async with AsyncExitStack() as stack:
                with sent_under(span):
                    chunks = await stack.enter_async_context(super().stream(path, request, choices, engine_ended))
                yield chunks
        except BaseException as error:
            span.end(type(error).__name__)
            raise
        span.end(at=ends[0] if ends else None)

    def note(self, used: tuple[int, int] | None, request: Mapping[str, Any]) -> None:
        """Count one request; its span tells the tokens."""
        super().note(used, request)
        if used is not None and self._span is not None:
            self._span.set(names.INPUT_TOKENS, used[0])
            self._span.set(names.OUTPUT_TOKENS, used[1])

    def _begun(self, path: str, request: Mapping[str, Any]) -> Span:
        operation, model = names.OPERATIONS.get(path, path), str(self._release) if self._release else BASE
        said: dict[str, Attribute] = {
            names.OPERATION: operation,
            names.PROVIDER: names.PROVIDER_VLLM,
            names.MODEL: model,
            names.STREAM: bool(request.get("stream")),
            names.KIND: self._kind,
        }
        if (choices := request.get("n") or 1) != 1:
            said[names.CHOICES] = choices
        said |= {name: request[key] for key, name in _NUMBERS.items() if isinstance(request.get(key), int | float)}
        self._span = self._trace.root.child(f"{operation} {model}", said, client=True)
        return self._span


class TracedReviews:
    """Reviews whose storing is a span, and whose ids the request's span tells."""

    def __init__(self, reviews: ReviewSink) -> None:
        self._reviews = reviews

    async def open(self, opening: ReviewRequest, rules: ReviewRules) -> str:
        """Store a review and return its id. Raises ReviewNotKeptError."""
        trace = current_trace()
        if trace is None:
            return await self._reviews.open(opening, rules)
        with ended(trace.root.child(names.STORED)):
            review = await self._reviews.open(opening, rules)
        trace.root.set(names.REVIEW, review)
        return review

    def sample(self, opening: ReviewRequest, rules: ReviewRules) -> None:
        """Store a sampled review of an answer that passed."""
        self._reviews.sample(opening, rules)
