"""Responses about the state of a gateway."""

from __future__ import annotations

import msgspec

from postil.gateway.api.admin.schemas.adapters import CanarySteps
from postil.gateway.api.admin.schemas.components import PluginMismatch


class WantedRelease(msgspec.Struct, kw_only=True):
    """A release that the engine should hold: the reasons, and whether it is loaded.

    ``problem`` says why it is not loaded, after that many ``attempts``. ``warnings`` are those of its publish.
    """

    release: str
    reasons: list[str]
    loaded: bool
    mismatches: list[PluginMismatch] | None
    problem: str | None
    attempts: int
    warnings: list[str]


class Signal(msgspec.Struct, kw_only=True):
    """One signal of a comparison: if ``e_value`` reaches ``threshold``, the candidate is rolled back automatically.

    The e-value is what stood without the requests of any one tenant; where all are one tenant's, it is of these. Of the
    ``tenants`` that asked the candidate, ``tenants_affected`` have seen the signal there.
    ``slow_after`` is the latency in seconds above which an answer counts as slow; null until it is known.
    """

    signal: str
    baseline_failures: int
    baseline_total: int
    candidate_failures: int
    candidate_total: int
    e_value: float
    threshold: float
    slow_after: float | None
    tenants: int
    tenants_affected: int


class CanaryProgress(CanarySteps, kw_only=True):
    """The steps of a canary, and what the next one waits for, as this gateway sees it.

    ``judged`` requests of the ``needed`` ones are judged since this step began, whichever one tenant is left out.
    """

    adapter: str
    release: str
    judged: int
    needed: int
    waits_for: str


class ReleaseComparison(msgspec.Struct, kw_only=True):
    """A candidate that is compared with its baseline, and the evidence so far."""

    candidate: str
    baseline: str
    channel: str
    evidence: list[Signal]


class Status(msgspec.Struct, kw_only=True):
    """The state of the gateway, and the releases that the engine should hold and holds, if the key may see them."""

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
    canaries_in_steps: list[CanaryProgress]
    failing_tasks: list[str]
