"""Alerts and dashboard: what they ask for is there, can be read by Prometheus, and each alert says what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import promql_parser
import pytest
import yaml

from deploy.docs.generate import OBSERVABILITY, observability
from deploy.observability.alerts import ALERTS, RUNBOOK
from deploy.observability.dashboard import PANELS
from postil.gateway.telemetry.metric_table import METRICS
from tests.support.paths import ROOT

# Names of metrics, and not of labels, functions or variables.
_NAME = re.compile(r"\b(?:postil_|vllm:)\w+")
_SUFFIX = re.compile(r"_(?:bucket|sum|count)$")


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression that Prometheus is asked, with where it stands."""
    for alert in ALERTS:
        yield alert.name, alert.expression
    for _, panels in PANELS:
        for panel in panels:
            for legend, expression in panel.expressions.items():
                yield f"{panel.title}, {legend}", expression


def engine_names() -> set[str]:
    """The metrics of vLLM that are asked for; a test of the real one finds them there."""
    return {name for _, text in expressions() for name in _NAME.findall(text) if name.startswith("vllm:")}


def test_the_files_are_those_of_this_code() -> None:
    for name, text in observability().items():
        assert (OBSERVABILITY / name).read_text(encoding="utf-8") == text, "run `make docs`"
    assert yaml.safe_load(observability()["rules.yaml"])["groups"][0]["rules"]
    assert json.loads(observability()["dashboard.json"])["panels"]


@pytest.mark.parametrize(("where", "text"), [*expressions()], ids=[where for where, _ in expressions()])
def test_every_expression_is_promql_over_metrics_and_labels_that_there_are(where: str, text: str) -> None:
    asked = text.replace("$__rate_interval", "5m").replace("$__interval", "5m")
    promql_parser.parse(asked)
    for name in _NAME.findall(text):
        if name.startswith("vllm:"):
            continue
        metric = METRICS.get(name) or METRICS[_SUFFIX.sub("", name)]
        assert (metric.kind == "histogram") is (name not in METRICS), name
        for selector in re.findall(re.escape(name) + r"\{([^}]*)\}", text):
            labels = set(re.findall(r"(\w+)\s*(?:=~|!=|=)", selector))
            assert labels <= {*metric.labels, "le"}, f"{where}: {labels}"


def test_every_alert_has_a_section_that_says_what_to_do() -> None:
    page = (ROOT / RUNBOOK).read_text(encoding="utf-8")
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == [alert.name for alert in ALERTS]


def test_the_panels_of_the_dashboard_do_not_cover_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(observability()["dashboard.json"])["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
