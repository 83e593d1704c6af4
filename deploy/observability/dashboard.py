"""A dashboard for Grafana, as plain JSON: what a platform team looks at first, and one adapter more closely."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postil.gateway.telemetry import metric_table as metrics

# The schema of Grafana 10; later versions read it and move it on.
_SCHEMA = 39
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 3
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_ADAPTER = 'adapter=~"$adapter"'


@dataclass(frozen=True, slots=True)
class Graph:
    """One graph: its title, its expressions by their legends, and the unit of its axis."""

    title: str
    expressions: Mapping[str, str]
    unit: str = "short"
    text: str = ""


def _rate(metric: str, by: str, *, selector: str = _ADAPTER) -> str:
    chosen = f"{{{selector}}}" if selector else ""
    return f"sum by ({by}) (rate({metric}{chosen}[$__rate_interval]))"


def _share(metric: str, selector: str, by: str) -> str:
    return f"{_rate(metric, by, selector=f'{_ADAPTER},{selector}')} / {_rate(metric, by)}"


def _quantile(metric: str, quantile: float, by: str = "", selector: str = _ADAPTER) -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({quantile}, {_rate(f'{metric}_bucket', labels, selector=selector)})"


PANELS: Sequence[tuple[str, Sequence[Graph]]] = (
    (
        "Is it well?",
        (
            Graph("Engine ready", {"{{instance}}": metrics.ENGINE_UP}, text="1 while the engine answers."),
            Graph("Requests in flight", {"{{instance}}": metrics.IN_FLIGHT}),
            Graph(
                "Wait for the engine",
                {
                    "p50": _quantile(metrics.QUEUE_WAIT, 0.5, selector=""),
                    "p99": _quantile(metrics.QUEUE_WAIT, 0.99, selector=""),
                },
                "s",
            ),
        ),
    ),
    (
        "Adapters",
        (
            Graph("Requests", {"{{adapter}}": _rate(metrics.REQUESTS, "adapter")}, "reqps"),
            Graph(
                "Failed",
                {"{{adapter}}": _share(metrics.REQUESTS, 'outcome=~"engine_error|unvalidated"', "adapter")},
                "percentunit",
                "Requests that nothing could answer. A fallback is an answer.",
            ),
            Graph(
                "Fallbacks and held answers",
                {"{{adapter}}": _share(metrics.REQUESTS, 'outcome=~"fallback|held"', "adapter")},
                "percentunit",
            ),
            Graph(
                "Duration, p95",
                {"{{adapter}}@{{release}}": _quantile(metrics.DURATION, 0.95, "adapter, release")},
                "s",
            ),
            Graph("First bytes, p95", {"{{adapter}}": _quantile(metrics.FIRST_CHUNK, 0.95, "adapter")}, "s"),
            Graph("Tokens", {"{{adapter}} {{type}}": _rate(metrics.TOKENS, "adapter, type")}),
            Graph(
                "Verdicts that failed",
                {
                    "{{adapter}} {{validator}}": _rate(
                        metrics.VERDICTS, "adapter, validator", selector=f'{_ADAPTER},outcome!="passed"'
                    )
                },
                "reqps",
            ),
            Graph(
                "Requests by channel",
                {"{{adapter}}@{{release}} {{channel}}": _rate(metrics.REQUESTS, "adapter, release, channel")},
                "reqps",
            ),
            Graph(
                "Evidence against the candidate",
                {
                    "{{adapter}} {{signal}}": f"{metrics.EVALUE}{{{_ADAPTER}}}",
                    "{{adapter}} rolled back at": f"max by (adapter) ({metrics.THRESHOLD}{{{_ADAPTER}}})",
                },
                text="Natural logarithms. A candidate is rolled back where its line meets the threshold's.",
            ),
        ),
    ),
    (
        "People and the engine",
        (
            Graph("Open reviews", {"{{domain}}": metrics.REVIEWS_OPEN}),
            Graph("Oldest open review", {"{{domain}}": metrics.OLDEST_REVIEW}, "s"),
            Graph("Rollouts", {"{{adapter}} {{action}}": f"increase({metrics.ROLLOUTS}{{{_ADAPTER}}}[$__interval])"}),
            Graph("Adapters in the engine", {"{{instance}}": metrics.LOADED}),
            Graph(
                "Inside vLLM",
                {"running": "sum(vllm:num_requests_running)", "waiting": "sum(vllm:num_requests_waiting)"},
            ),
            Graph("KV cache in use", {"{{instance}}": "vllm:kv_cache_usage_perc"}, "percentunit"),
        ),
    ),
)


def dashboard() -> str:
    """``dashboard.json``."""
    panels: list[dict[str, Any]] = []
    row = 0
    for title, inside in PANELS:
        panels.append({"type": "row", "title": title, "gridPos": {"x": 0, "y": row, "w": 24, "h": 1}})
        row += 1
        for at, panel in enumerate(inside):
            place = {"x": at % _COLUMNS * _WIDTH, "y": row + at // _COLUMNS * _HEIGHT, "w": _WIDTH, "h": _HEIGHT}
            panels.append(_panel(panel, place))
        row += -(-len(inside) // _COLUMNS) * _HEIGHT
    numbered = [{"id": number, **panel} for number, panel in enumerate(panels, 1)]
    return json.dumps(_around(numbered), indent=2) + "\n"


def _panel(panel: Graph, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + at), "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
        for at, (legend, expression) in enumerate(panel.expressions.items())
    ]
    return {
        "type": "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0 if panel.unit != "short" else None}, "overrides": []},
        "targets": targets,
    }


def _around(panels: list[dict[str, Any]]) -> dict[str, Any]:
    source = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    adapter = {
        "name": "adapter",
        "label": "Adapter",
        "type": "query",
        "datasource": _SOURCE,
        "query": f"label_values({metrics.RELEASE_INFO}, adapter)",
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }
    return {
        "uid": "postil",
        "title": "postil",
        "tags": ["postil"],
        "schemaVersion": _SCHEMA,
        "editable": True,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [source, adapter]},
        "panels": panels,
    }
