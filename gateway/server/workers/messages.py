"""What the primary and a worker say to each other.

Both are postil's own; but a worker reads what strangers send, so nothing that it says is ever unpickled.
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
    """A seat is wanted under this number; ``weights`` are engine name, artifact, domain, adapter and number.

    ``cost`` is how many sequences its request generates at a time.
    """

    id: int
    tenant: str
    weights: tuple[str, str, str, str, int] | None
    cost: Annotated[int, msgspec.Meta(ge=1)]
    deadline: float | None
    retry: bool


class ReleaseLease(Message, frozen=True, tag=2):
    """A lease is given back, or not needed any more."""

    id: int


class Admit(Message, frozen=True, tag=3):
    """Ask to admit a request of this tenant."""

    id: int
    tenant: str


class RequestLeft(Message, frozen=True, tag=4):
    """An admitted request has ended."""

    id: int


class AddUsage(Message, frozen=True, tag=5):
    """Usage for the ledger."""

    tenant: str
    domain: str
    adapter: str
    number: int
    kind: str
    prompt: int
    completion: int
    uncounted: int


class SpendTokens(Message, frozen=True, tag=6):
    """Tokens to be charged to a tenant."""

    tenant: str
    tokens: int


class EngineAlive(Message, frozen=True, tag=8):
    """The engine has sent something, now or a moment ago."""


class EngineDone(Message, frozen=True, tag=9):
    """A request to the engine has ended; it began when its lease was granted."""

    well: bool


class EngineUnhealthy(Message, frozen=True, tag=10):
    """The engine reports that it cannot go on."""


class AdapterLost(Message, frozen=True, tag=11):
    """The engine does not know the weights of this name."""

    name: str


class RequestStarted(Message, frozen=True, tag=12):
    """A request to a release that is watched came, under this number."""

    id: int
    reason: str
    domain: str
    adapter: str
    number: int


class RequestFinished(Message, frozen=True, tag=13):
    """A request to a watched release has ended."""

    id: int
    failed_validation: bool
    engine_error: bool
    fell_back: bool
    seconds: float
    outcome: str


class OpenReview(Message, frozen=True, tag=14):
    """A person is to look at this (see ``openings``); the client is told when it is kept."""

    id: int
    request: bytes


class SampleReview(Message, frozen=True, tag=15):
    """A person may look at this."""

    request: bytes


class ShadowAgreement(Message, frozen=True, tag=16):
    """Counts of how shadows agreed."""

    counts: list[tuple[Compared, int]]


class Ack(Message, frozen=True, tag=17):
    """The updates up to this number are in force."""

    number: int


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
    | Ack
)


class LeaseGranted(Message, frozen=True, tag=1):
    """The lease is granted, after so many seconds of waiting."""

    id: int
    waited: float


class Admitted(Message, frozen=True, tag=2):
    """The request is admitted; these headers go with its answer."""

    id: int
    headers: Mapping[str, str]


class Rejected(Message, frozen=True, tag=3):
    """The request is refused: an error by the name of its class, as in ``errors``."""

    id: int
    kind: str
    text: str
    retry_after: int | None
    headers: Mapping[str, str]
    waited: float


class ReviewOpened(Message, frozen=True, tag=4):
    """The review's id, or None where it could not be kept."""

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
# As JSON, because a client's request is part of it: its numbers may be of any size.
openings = msgspec.json.Decoder(ReviewRequest)


def packet(message: Message) -> bytes:
    """Encode a message."""
    return framed(_encoder.encode(message))
