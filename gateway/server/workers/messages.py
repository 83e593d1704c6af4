"""Messages between the primary and a worker.

Both ends are postil's own, but a worker reads untrusted requests, so its messages are never unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from postil.gateway.ipc import framed
from postil.registry.releases.shadow_agreement import Compared
from postil.registry.reviews.reviews import ReviewRequest


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all messages: plain values in an array."""


class AcquireLease(Message, frozen=True, tag=1):
    """Ask for an engine lease; ``weights`` are engine name, artifact, domain, adapter, number and the domains
    that must be allowed to have them loaded.

    ``cost`` is the number of sequences that the request generates at the same time.
    """

    id: int
    tenant: str
    weights: tuple[str, str, str, str, int, tuple[str, ...]] | None
    cost: Annotated[int, msgspec.Meta(ge=1)]
    deadline: float | None
    retry: bool


class ReleaseLease(Message, frozen=True, tag=2):
    """Return a lease, or cancel the wait for it."""

    id: int


class Admit(Message, frozen=True, tag=3):
    """Ask to admit a tenant's request."""

    id: int
    tenant: str


class RequestLeft(Message, frozen=True, tag=4):
    """An admitted request has ended."""

    id: int


class AddUsage(Message, frozen=True, tag=5):
    """Usage to add to the ledger."""

    tenant: str
    domain: str
    adapter: str
    number: int
    kind: str
    prompt: int
    completion: int
    uncounted: int


class SpendTokens(Message, frozen=True, tag=6):
    """Tokens to charge to a tenant."""

    tenant: str
    tokens: int


class EngineAlive(Message, frozen=True, tag=8):
    """The engine has sent something, now or a moment ago."""


class EngineDone(Message, frozen=True, tag=9):
    """A request to the engine has ended; it began when its lease was granted."""

    well: bool


class EngineUnhealthy(Message, frozen=True, tag=10):
    """The engine reports a permanent failure."""


class AdapterLost(Message, frozen=True, tag=11):
    """The engine does not have the adapter of this name."""

    name: str


class RequestStarted(Message, frozen=True, tag=12):
    """A request to a watched release has started, under this number."""

    id: int
    reason: str
    domain: str
    adapter: str
    number: int
    tenant: str


class RequestFinished(Message, frozen=True, tag=13):
    """A request to a watched release has ended."""

    id: int
    failed_validation: bool
    engine_error: bool
    fell_back: bool
    seconds: float
    outcome: str
    client_caused: bool


class OpenReview(Message, frozen=True, tag=14):
    """A review to store (see ``openings``); the worker gets an answer once it is stored."""

    id: int
    request: bytes


class SampleReview(Message, frozen=True, tag=15):
    """A review of a sampled answer, to store without an answer."""

    request: bytes


class ShadowAgreement(Message, frozen=True, tag=16):
    """Counts of shadow agreement."""

    counts: list[tuple[Compared, int]]


class Denied(Message, frozen=True, tag=18):
    """A key was refused: whose it is, from where, on which route."""

    owner: str
    key: str | None
    origin: str
    route: str
    status: int


class Ack(Message, frozen=True, tag=17):
    """All updates up to this number are applied."""

    number: int


class CompileGrammar(Message, frozen=True, tag=19):
    """Ask to have a grammar compiled for a tenant, by its digest, that takes so long."""

    id: int
    tenant: str
    grammar: str
    milliseconds: float


class AddMetrics(Message, frozen=True, tag=20):
    """What was counted since the last time, by series."""

    series: list[tuple[tuple[str, ...], list[float]]]


WorkerMessage = (
    AcquireLease
    | ReleaseLease
    | Admit
    | RequestLeft
    | AddUsage
    | SpendTokens
    | EngineAlive
    | EngineDone
    | EngineUnhealthy
    | AdapterLost
    | RequestStarted
    | RequestFinished
    | OpenReview
    | SampleReview
    | ShadowAgreement
    | Denied
    | Ack
    | CompileGrammar
    | AddMetrics
)


class LeaseGranted(Message, frozen=True, tag=1):
    """The lease is granted, after that many seconds of waiting."""

    id: int
    waited: float


class Admitted(Message, frozen=True, tag=2):
    """The request, or its grammar, is admitted; these headers belong in its response."""

    id: int
    headers: Mapping[str, str]


class Rejected(Message, frozen=True, tag=3):
    """The request is refused; the error is named by its class in ``errors``."""

    id: int
    kind: str
    text: str
    retry_after: int | None
    headers: Mapping[str, str]
    waited: float


class ReviewOpened(Message, frozen=True, tag=4):
    """The review's id, or None if it could not be stored."""

    id: int
    review: str | None


class Update(Message, frozen=True, tag=5):
    """A change for every worker, pickled."""

    number: int
    what: str
    content: bytes


PrimaryMessage = LeaseGranted | Admitted | Rejected | ReviewOpened | Update

_encoder = msgspec.msgpack.Encoder()
words: msgspec.msgpack.Decoder[WorkerMessage] = msgspec.msgpack.Decoder(WorkerMessage)
replies: msgspec.msgpack.Decoder[PrimaryMessage] = msgspec.msgpack.Decoder(PrimaryMessage)
# As JSON, because it contains a client's request, whose numbers may have any size.
openings = msgspec.json.Decoder(ReviewRequest)


def packet(message: Message) -> bytes:
    """Encode a message."""
    return framed(_encoder.encode(message))
