"""The alerts: what wakes somebody, after how long, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postil.gateway.telemetry import metric_table as metrics
from postil.gateway.telemetry.request_metrics import ENGINE_ERROR, UNVALIDATED

RUNBOOK = "deploy/docs/alerts.md"
# Requests that a person would call failed. A fallback is not one: it is what the policy wants.
_FAILED = f'outcome=~"{ENGINE_ERROR}|{UNVALIDATED}"'
# How much of a month's failures one hour may burn: with 0.1 % allowed, 14.4 times that is 2 % of the month's.
_ALLOWED, _FAST, _SLOW = 0.001, 14.4, 3
# Of an adapter that is asked little, one failure is a large share, and wakes nobody.
_FEW = 5


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. ``page`` says whether it wakes somebody at night; ``after`` is how long it has to hold."""

    name: str
    expression: str
    after: str
    page: bool
    summary: str
    description: str

    @property
    def runbook(self) -> str:
        """The section of the page that says what to do."""
        return f"{RUNBOOK}#{self.name.lower()}"


def _failing(window: str) -> str:
    """The share of requests that failed, of each adapter."""
    return f"{_failed('rate', window)} / sum by (adapter) (rate({metrics.REQUESTS}[{window}]))"


def _failed(function: str, window: str) -> str:
    return f"sum by (adapter) ({function}({metrics.REQUESTS}{{{_FAILED}}}[{window}]))"


def _burn(times: float, long: str, short: str) -> str:
    """Failures come so many times faster than allowed, over a long window and still over a short one."""
    most = f"{times * _ALLOWED:g}"
    return f"({_failing(long)}) > {most} and ({_failing(short)}) > {most} and {_failed('increase', long)} > {_FEW}"


ALERTS: Sequence[Alert] = (
    Alert(
        "PostilAbsent",
        f"absent({metrics.BUILD})",
        "5m",
        True,
        "No gateway is scraped.",
        "Prometheus reads no metrics of a gateway: it is down, cannot be reached, or the key is refused.",
    ),
    Alert(
        "PostilGatewayDown",
        'up{job="postil"} == 0',
        "3m",
        True,
        "The gateway {{ $labels.instance }} is not scraped.",
        "It is down, cannot be reached, or refuses the key; the others may answer for it.",
    ),
    Alert(
        "PostilEngineDown",
        f"{metrics.ENGINE_UP} == 0",
        "3m",
        True,
        "The engine of {{ $labels.instance }} is not ready.",
        "Requests are answered 503, or by their policy's fallback. A restart takes about as long as the last start.",
    ),
    Alert(
        "PostilErrorsFast",
        _burn(_FAST, "1h", "5m"),
        "2m",
        True,
        "Requests to {{ $labels.adapter }} fail.",
        "At this pace 2 % of the failures that a month may have are used in an hour.",
    ),
    Alert(
        "PostilErrorsSlow",
        _burn(_SLOW, "1d", "2h"),
        "1h",
        False,
        "Some requests to {{ $labels.adapter }} fail, for hours.",
        "At this pace a month's failures are used in ten days.",
    ),
    Alert(
        "PostilFallbacks",
        f'sum by (adapter) (rate({metrics.REQUESTS}{{outcome="fallback"}}[30m]))'
        f" / sum by (adapter) (rate({metrics.REQUESTS}[30m])) > 0.25",
        "30m",
        False,
        "A quarter of the answers of {{ $labels.adapter }} are fallbacks.",
        "The release, or what is asked of it, has changed: compare it with the one before.",
    ),
    Alert(
        "PostilQueue",
        f"histogram_quantile(0.95, sum by (le, instance) (rate({metrics.QUEUE_WAIT}_bucket[10m]))) > 5",
        "10m",
        False,
        "Requests to {{ $labels.instance }} wait for the engine.",
        "One in twenty waits longer than 5 s for a concurrency slot.",
    ),
    Alert(
        "PostilReleaseNotLoaded",
        f"{metrics.RELEASE_LOADED} == 0 and on (instance) {metrics.ENGINE_UP} == 1",
        "10m",
        False,
        "{{ $labels.adapter }}@{{ $labels.release }} is not loaded.",
        "The engine cannot answer by a release that is live, a canary or a shadow.",
    ),
    Alert(
        "PostilEngineRestarts",
        f"increase({metrics.ENGINE_RESTARTS}[1h]) > 2",
        "0m",
        False,
        "The engine of {{ $labels.instance }} was started again and again.",
        "Something that is asked ends it, or the machine runs out of memory.",
    ),
    Alert(
        "PostilRolledBack",
        f'increase({metrics.ROLLOUTS}{{action="rollback"}}[15m]) > 0',
        "0m",
        False,
        "{{ $labels.adapter }} was rolled back.",
        "By a person, or automatically because the new release was worse.",
    ),
    Alert(
        "PostilCanaryWorse",
        f"{metrics.EVALUE} > 0.7 * {metrics.THRESHOLD}",
        "5m",
        False,
        "The candidate of {{ $labels.adapter }} looks worse: {{ $labels.signal }}.",
        "The evidence is close to what rolls it back.",
    ),
    Alert(
        "PostilReviewsWait",
        f"{metrics.OLDEST_REVIEW} > 4 * 3600",
        "15m",
        False,
        "Reviews of {{ $labels.domain }} wait for hours.",
        "Held answers wait as long; nobody decides.",
    ),
    Alert(
        "PostilTasksFail",
        f"{metrics.FAILING} > 0",
        "10m",
        False,
        "Background work of {{ $labels.instance }} fails.",
        "Usage, evidence or changes from other gateways may be late.",
    ),
)
