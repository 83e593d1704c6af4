"""How a gateway's state looks in the admin API."""

from __future__ import annotations

import msgspec

from postil.gateway.api.admin.schemas.components import PluginMismatch


class WantedRelease(msgspec.Struct, kw_only=True):
    """A release that the engine has to hold: for what reasons, and whether it is loaded.

    ``problem`` says what keeps it from being loaded, after so many ``attempts``.
    """

    release: str
    reasons: list[str]
    loaded: bool
    mismatches: list[PluginMismatch] | None
    problem: str | None
    attempts: int


class Signal(msgspec.Struct, kw_only=True):
    """One signal of a comparison: at an ``e_value`` of ``threshold`` the candidate is rolled back automatically.

    ``slow_after`` is the number of seconds beyond which an answer is slow, for that signal, once it is known.
    """

    signal: str
    baseline_failures: int
    baseline_total: int
    candidate_failures: int
    candidate_total: int
    e_value: float
    threshold: float
    slow_after: float | None


class ReleaseComparison(msgspec.Struct, kw_only=True):
    """A release that is compared with its predecessor, and the evidence so far."""

    candidate: str
    baseline: str
    channel: str
    evidence: list[Signal]


class Status(msgspec.Struct, kw_only=True):
    """What the gateway is doing, and which releases the engine has to hold and does, as far as the key may see."""

    engine: str
    problem: str | None
    requests_in_flight: int
    workers: int
    workers_serving: int
    requests_waiting: int
    engine_restarts: int
    base: str | None
    base_revision: str | None
    adapters: list[WantedRelease]
    comparisons: list[ReleaseComparison]
    failing_tasks: list[str]
