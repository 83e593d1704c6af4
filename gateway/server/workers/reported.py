"""A worker's requests, as the primary knows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from postil.gateway.inference.record import RequestOutcome
from postil.plugins import ReleaseRef


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """The adapter that a worker's request is for."""

    engine_name: str
    artifact: str
    ref: ReleaseRef
    domains: tuple[str, ...]


@dataclass(slots=True)
class Seen:
    """A worker's request, as the analysis sees it."""

    reason: str
    ref: ReleaseRef
    tenant: str
    arrival: Any = None
    failed_validation: bool = False
    engine_error: bool = False
    fell_back: bool = False
    seconds: float = 0.0
    client_caused: bool = False
    outcome: RequestOutcome | None = None
