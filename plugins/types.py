"""The values that travel between postil and a plugin. All are frozen: a plugin judges, it does not edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class ReleaseRef:
    """A release of an adapter: ``healthcare/triage@4``."""

    domain: str
    adapter: str
    number: int

    def __str__(self) -> str:
        return f"{self.domain}/{self.adapter}@{self.number}"

    @property
    def name(self) -> str:
        """The adapter's public name, without the number: ``healthcare/triage``."""
        return f"{self.domain}/{self.adapter}"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What was asked: the release that answers, the tenant that asks, and the request as it came in.

    ``request`` is the JSON body of the client (OpenAI's chat or text completion), unchanged. For a release whose policy
    restricts the output it is without ``tools``, ``tool_choice``, ``response_format`` and ``structured_outputs``: these
    are compared with the policy, and the model does not see them.
    """

    release: ReleaseRef
    tenant: str
    request: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token; ``logprob`` is the natural logarithm of its probability, as the engine reports it."""

    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Scope:
    """How much of an answer a validator has to see at once, in characters; ``None`` is all of it.

    A validator of ``window(n)`` keeps a promise: it fails a text exactly if it fails some part of at most ``n``
    characters, with what stands around that part left out (the answer's beginning and end count as one character).
    Only then can a stream be judged while it runs, wherever it is cut; ``postil.plugins.testing`` checks it.
    """

    window: int | None = None


FINAL = Scope()
TOKEN = Scope(1)


def window(characters: int) -> Scope:
    """The scope of a validator for which parts of so many characters are enough."""
    if characters < 1:
        raise ValueError(f"a window of {characters} characters cannot be; give 1 or more")
    return Scope(characters)


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer (one choice), or a part of one that is still on its way.

    ``tokens`` joined give ``text``; it is empty if no validator of the policy set ``needs_tokens``.
    ``finish_reason`` is the engine's own: ``stop``, ``length``, ``tool_calls``. Of a stream, a validator with a window
    gets parts: ``offset`` characters of the answer came before ``text``, and ``ends`` says whether it is the last part.
    """

    text: str
    finish_reason: str | None = None
    tokens: Sequence[Token] = ()
    tool_calls: Sequence[Mapping[str, Any]] = ()
    offset: int = 0
    ends: bool = True


class Outcome(StrEnum):
    """What a verdict says. Not having run is never counted as having passed."""

    PASSED = "passed"
    FAILED = "failed"
    DID_NOT_RUN = "did-not-run"


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``start`` to ``end`` (exclusive) of the completion's text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one validator or input check said. ``validator`` and ``version`` are filled in by postil.

    A verdict that passed may carry a ``notice``, which the client gets beside the answer (in the header
    ``x-postil-notice`` and in the body's ``postil.notice``), and ask for a ``review``: a person looks at the answer
    afterwards, for the reason given there.
    """

    outcome: Outcome
    reason: str = ""
    spans: Sequence[Span] = ()
    validator: str = ""
    version: str = ""
    notice: str = ""
    review: str = ""

    @classmethod
    def passed(cls, *, notice: str = "", review: str = "") -> Verdict:
        """It may leave (or, of a request, come in)."""
        return cls(Outcome.PASSED, notice=notice, review=review)

    @classmethod
    def failed(cls, reason: str, spans: Sequence[Span] = ()) -> Verdict:
        """The completion may not leave; ``reason`` is a short phrase that the caller may read."""
        return cls(Outcome.FAILED, reason, spans)

    @property
    def ok(self) -> bool:
        """True only for a verdict that ran and passed."""
        return self.outcome is Outcome.PASSED


@dataclass(frozen=True, slots=True)
class Fallback:
    """A text to serve in place of the answer."""

    content: str
    finish_reason: str = "stop"


@dataclass(frozen=True, slots=True)
class AskAgain:
    """Ask once more: the same release, or another (``healthcare/triage@2``, ``previous``, ``base``).

    ``sampling`` is put over the policy's own, ``instruction`` is added as a last message of the system. The new answer
    is judged too, by the policy of the release that gave it (by this one's, if that is ``base``). A release of another
    domain is asked only for callers who may ask that domain, and only if its input checks let the request through.
    """

    release: str | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    instruction: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A person decides; until then the client gets ``content``."""

    content: str


@dataclass(frozen=True, slots=True)
class Fail:
    """An error, with a sentence that the client may read."""

    message: str


Substitute = Fallback | AskAgain | Hold | Fail


@dataclass(frozen=True, slots=True)
class Candidate:
    """A release before it is made live: its policy as plain data, and the figures that its training reported."""

    release: ReleaseRef
    policy: Mapping[str, Any]
    metrics: Mapping[str, Any]
    note: str = ""


@dataclass(frozen=True, slots=True)
class RoutingRequest:
    """A request that names no release: who asks, which domains they may, and the request as it came in."""

    tenant: str
    domains: Sequence[str]
    request: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Undecided:
    """A router's answer where no model is right: the client is refused, and asked to name one.

    ``reason`` is a short phrase that the caller may read.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Notification:
    """Something that was done: an event of the log (``promote``, ``rollback``), or a decision (``review-approve``)."""

    action: str
    subject: str
    actor: str
    reason: str
    at: datetime
    before: int | None = None
    after: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
