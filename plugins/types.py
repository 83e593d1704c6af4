"""The values that travel between postil and a plugin. All are frozen: a plugin judges, it does not edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
class Exchange:
    """What was asked: the release that answers, the tenant that asks, and the request as it came in.

    ``request`` is the JSON body of the client (OpenAI's chat or text completion), unchanged.
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
class Completion:
    """One whole answer (one choice): its text and, where the validators in force ask for them, its tokens.

    ``tokens`` joined give ``text``; it is empty if no validator of the policy set ``needs_tokens``.
    ``finish_reason`` is the engine's own: ``stop``, ``length``, ``tool_calls``.
    """

    text: str
    finish_reason: str | None = None
    tokens: Sequence[Token] = ()
    tool_calls: Sequence[Mapping[str, Any]] = ()


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
    """What one validator said of one completion. ``validator`` and ``version`` are filled in by postil."""

    outcome: Outcome
    reason: str = ""
    spans: Sequence[Span] = ()
    validator: str = ""
    version: str = ""

    @classmethod
    def passed(cls) -> Verdict:
        """The completion may leave."""
        return cls(Outcome.PASSED)

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
    """What is served in place of an answer that failed: the text, and why it was put there."""

    content: str
    finish_reason: str = "stop"
    details: Mapping[str, Any] = field(default_factory=dict)
