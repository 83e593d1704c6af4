"""Sums of counters and histograms: what is added is there, once, and no metric grows without an end."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from postil.gateway.telemetry import metric_table as metrics
from postil.gateway.telemetry.exposition import engines_own, written
from postil.gateway.telemetry.sums import Sums

TRIAGE = ("healthcare/triage", "3")


def read(text: bytes) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample of a text, by its name and the values of its labels in the order of the table."""
    return {
        (sample.name, tuple(sample.labels[label] for label in _ordered(family.name, sample.labels))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def _ordered(family: str, labels: Mapping[str, str]) -> list[str]:
    metric = metrics.METRICS.get(family) or metrics.METRICS.get(f"{family}_total")
    known = list(metric.labels) if metric else []
    return known + [label for label in labels if label not in known]


def test_what_was_counted_can_be_read_by_prometheus() -> None:
    sums = Sums()
    series = (metrics.REQUESTS, *TRIAGE, "stable", "answered")
    sums.count(series)
    sums.count(series, 2)
    for seconds in (0.01, 0.011, 100.0):
        sums.observe((metrics.DURATION, *TRIAGE), seconds)
    found = read(written(sums.copy()))
    assert found[metrics.REQUESTS, (*TRIAGE, "stable", "answered")] == 3
    assert found[f"{metrics.DURATION}_bucket", (*TRIAGE, "0.01")] == 1
    assert found[f"{metrics.DURATION}_bucket", (*TRIAGE, "0.02")] == 2
    assert found[f"{metrics.DURATION}_bucket", (*TRIAGE, "+Inf")] == 3
    assert found[f"{metrics.DURATION}_count", TRIAGE] == 3
    assert found[f"{metrics.DURATION}_sum", TRIAGE] == pytest.approx(100.021)


def test_names_that_hold_quotes_and_line_ends_break_no_line() -> None:
    sums = Sums()
    sums.count((metrics.VERDICTS, *TRIAGE, 'odd "name"\n# TYPE x counter\\', "passed"))
    assert len(read(written(sums.copy()))) == 1


def test_a_metric_with_too_many_series_counts_the_rest_together_and_says_so() -> None:
    sums = Sums(most=2)
    for number in range(5):
        for _ in range(2):
            sums.count((metrics.TOKENS, "healthcare/triage", str(number), "prompt"), 10)
    found = sums.copy()
    assert found.pop((metrics.DROPPED, metrics.TOKENS)) == [6]
    assert found.pop((metrics.TOKENS, "other", "other", "prompt")) == [60]
    assert sorted(found.values()) == [[20], [20]]


def test_releases_beyond_those_with_histograms_of_their_own_share_one() -> None:
    sums = Sums(most_histograms=1)
    for number in range(3):
        sums.observe((metrics.DURATION, "healthcare/triage", str(number)), 1.0)
        sums.count((metrics.TOKENS, "healthcare/triage", str(number), "prompt"))
    found = sums.copy()
    assert found[metrics.DURATION, "other", "other"][-1] == 2
    assert len([series for series in found if series[0] == metrics.TOKENS]) == 3


def test_what_is_no_series_of_the_table_is_not_taken_from_another_process() -> None:
    sums = Sums()
    sums.merge({("made_up_total",): [1], (metrics.QUEUED, "more"): [1], (metrics.QUEUE_WAIT,): [1], (): [1]})
    assert sums.copy() == {}


def test_series_of_a_release_that_is_gone_make_room() -> None:
    sums = Sums(most=1)
    sums.count((metrics.TOKENS, *TRIAGE, "prompt"))
    sums.forget(lambda series: series[2:3] == ("3",))
    sums.count((metrics.TOKENS, "healthcare/triage", "4", "prompt"))
    assert list(sums.series()) == [(metrics.TOKENS, "healthcare/triage", "4", "prompt")]


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 200), st.booleans())))
def test_the_sums_of_two_processes_are_those_of_one(added: list[tuple[int, float, bool]]) -> None:
    alone, primary, worker = Sums(), Sums(), Sums()
    for release, seconds, here in added:
        for sums in (alone, primary if here else worker):
            sums.observe((metrics.DURATION, "a/b", str(release)), seconds)
            sums.count((metrics.TOKENS, "a/b", str(release), "prompt"), release)
    primary.merge(worker.take())
    assert worker.copy() == {}
    together, one = primary.copy(), alone.copy()
    assert together.keys() == one.keys()
    for series, values in one.items():
        assert together[series] == pytest.approx(values)


def test_of_the_engines_text_only_its_own_metrics_are_passed_on() -> None:
    text = (
        b"# HELP vllm:num_requests_running Running.\n# TYPE vllm:num_requests_running gauge\n"
        b'vllm:num_requests_running{engine="0"} 2.0\nprocess_open_fds 12.0\n'
        b'vllm:lora_requests_info{running_lora_adapters="a-1"} 1.0\n# TYPE vllm:lora_requests_info gauge\n'
        b"postil_engine_up 0\nvllm:unfinished 1"
    )
    assert read(engines_own(text)) == {("vllm:num_requests_running", ("0",)): 2.0}
    assert b"lora" not in engines_own(text)


def test_every_name_follows_prometheus_rules() -> None:
    for metric in metrics.METRICS.values():
        assert metric.name.startswith("postil_")
        assert metric.name.endswith("_total") is (metric.kind == "counter")
        assert metric.help.endswith(".")
