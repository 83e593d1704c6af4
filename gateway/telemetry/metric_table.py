"""Every metric of the gateway: its name, kind, labels and meaning. The text for Prometheus and the docs follow it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
# The bounds of durations, in seconds: those of OpenTelemetry's conventions for requests to models.
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_OF_RELEASE = ("adapter", "release")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. Its series are told apart by ``labels``, in this order."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str


REQUESTS = "postil_requests_total"
DURATION = "postil_request_duration_seconds"
FIRST_CHUNK = "postil_time_to_first_chunk_seconds"
QUEUE_WAIT = "postil_queue_wait_seconds"
VERDICTS = "postil_validator_verdicts_total"
ENGINE_REQUESTS = "postil_engine_requests_total"
TOKENS = "postil_tokens_total"
ROLLOUTS = "postil_rollouts_total"
DROPPED = "postil_series_dropped_total"
BUILD = "postil_build_info"
ENGINE_UP = "postil_engine_up"
ENGINE_RESTARTS = "postil_engine_restarts_total"
LOADED = "postil_engine_adapters_loaded"
IN_FLIGHT = "postil_requests_in_flight"
QUEUED = "postil_queue_requests"
WORKERS = "postil_workers_serving"
FAILING = "postil_background_tasks_failing"
RELEASE_INFO = "postil_release_info"
RELEASE_LOADED = "postil_release_loaded"
WEIGHT = "postil_channel_weight_ratio"
EVALUE = "postil_canary_evalue_log"
THRESHOLD = "postil_canary_threshold_log"
REVIEWS_OPEN = "postil_reviews_open"
OLDEST_REVIEW = "postil_review_oldest_open_seconds"

_ALL = (
    Metric(
        REQUESTS,
        "counter",
        (*_OF_RELEASE, "channel", "outcome"),
        "Requests to a release, by why it answered (stable, canary, pin, number) and how they ended: answered,"
        " fallback, held (a person decides), unvalidated (nothing passed, no fallback), refused, engine_error,"
        " client_left.",
    ),
    Metric(DURATION, "histogram", _OF_RELEASE, "Time from a request's start to its whole answer, its wait included."),
    Metric(FIRST_CHUNK, "histogram", _OF_RELEASE, "Time from a streamed request's start to its first bytes."),
    Metric(QUEUE_WAIT, "histogram", (), "Time that requests waited for a concurrency slot at the engine."),
    Metric(
        VERDICTS,
        "counter",
        (*_OF_RELEASE, "validator", "outcome"),
        "Verdicts of validators and input checks on whole texts: passed, failed, did not run.",
    ),
    Metric(
        ENGINE_REQUESTS,
        "counter",
        (*_OF_RELEASE, "kind"),
        "Requests that the engine worked on: answer, retry, shadow. Those to the base have `base` as adapter.",
    ),
    Metric(TOKENS, "counter", (*_OF_RELEASE, "type"), "Tokens that the engine counted: prompt, completion."),
    Metric(ROLLOUTS, "counter", ("adapter", "action"), "Changes of what answers: promote, rollback, canary, shadow."),
    Metric(DROPPED, "counter", ("metric",), "Values added to the series `other`, because a metric had too many."),
    Metric(BUILD, "gauge", ("version", "base", "revision"), "1, with the version of postil and the base it serves."),
    Metric(ENGINE_UP, "gauge", (), "1 while the engine is ready, else 0."),
    Metric(ENGINE_RESTARTS, "counter", (), "How often the engine was started again."),
    Metric(LOADED, "gauge", (), "Adapters that the engine has in memory."),
    Metric(IN_FLIGHT, "gauge", (), "Requests that are being answered."),
    Metric(QUEUED, "gauge", (), "Requests that wait for a concurrency slot at the engine."),
    Metric(WORKERS, "gauge", (), "Processes that take requests."),
    Metric(FAILING, "gauge", (), "Background tasks that fail; `postil status` names them."),
    Metric(RELEASE_INFO, "gauge", (*_OF_RELEASE, "channel"), "1 for each release that is live, a canary or a shadow."),
    Metric(RELEASE_LOADED, "gauge", _OF_RELEASE, "1 where the engine can answer by the release at once, else 0."),
    Metric(WEIGHT, "gauge", ("adapter", "channel"), "The share of requests that a canary or a shadow gets, 0 to 1."),
    Metric(
        EVALUE,
        "gauge",
        ("adapter", "signal"),
        "Natural logarithm of the evidence that a candidate is worse than its baseline on a signal.",
    ),
    Metric(THRESHOLD, "gauge", ("adapter", "signal"), "Natural logarithm of the evidence at which it is rolled back."),
    Metric(REVIEWS_OPEN, "gauge", ("domain",), "Reviews that wait for a person's decision."),
    Metric(OLDEST_REVIEW, "gauge", ("domain",), "How long the oldest of them waits."),
)

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ALL}
