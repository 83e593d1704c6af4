"""The reference of metrics."""

from __future__ import annotations

from deploy.docs.markdown import code, page, table
from postil.gateway.telemetry.metric_table import METRICS, SECONDS

_LEAD = (
    "`GET /metrics` tells Prometheus what the gateway counts, for a key of the role `metrics` or an admin's. At"
    " `POSTIL_METRICS_PORT`, which listens on 127.0.0.1 alone, it needs none."
)
_HOW = (
    "With workers, one scrape has the sums of all processes of a gateway; each gateway is a target of its own. A scrape"
    " asks no database, and its text is made at most every 5 s. `release` is a number. A release that is neither live"
    " nor a canary nor a shadow keeps its series for 15 minutes. A metric has at most 10,000 series: what would be one"
    " more is added up under `other`, and counted in `postil_series_dropped_total`. `POSTIL_METRICS_HISTOGRAMS` (200)"
    " releases have histograms of their own."
)
_ENGINE = (
    "vLLM's own metrics (`vllm:...`) follow in the same text while it answers, but for `vllm:lora_requests_info`, which"
    " names adapters by the engine's names for them and while they run."
)


def metrics_page() -> str:
    """``metrics.md``."""
    rows = [
        (code(metric.name), metric.kind, ", ".join(code(label) for label in metric.labels), metric.help)
        for metric in METRICS.values()
    ]
    bounds = f"Histograms have the bounds {', '.join(f'{bound:g}' for bound in SECONDS)} s."
    return page("Metrics", _LEAD, _HOW, table(["metric", "kind", "labels", "what it says"], rows), bounds, _ENGINE)
