"""What the checks have to find, and to leave alone, on the sets beside this."""

from __future__ import annotations

import json
import re
from itertools import combinations

import pytest

from tests.plugins.builtin import measures
from tests.plugins.builtin.checks_page import PAGE, page
from tests.plugins.builtin.measures import Share, Spans, rows
from tests.support.paths import ROOT

HALVES = ("dev", "test")
SETS = (*HALVES, "unseen")


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("spans", [measures.whole, measures.streamed])
def test_personal_data_is_found_in_every_surrounding_and_little_else(half: str, spans: Spans) -> None:
    found = measures.pii(f"pii_{half}", spans)
    assert found.recall.value >= 0.99, found.missed
    assert found.precision.value >= 0.97, found.wrong


@pytest.mark.parametrize("half", HALVES)
def test_attacks_on_the_instructions_are_found_and_customers_are_let_through(half: str) -> None:
    found = measures.injection(f"injection_{half}")
    assert found.recall.value >= 0.85, found.missed
    assert found.precision.value >= 0.97, found.wrong


@pytest.mark.parametrize("half", HALVES)
def test_people_in_danger_are_found_and_two_of_a_hundred_others_at_most(half: str) -> None:
    found = measures.emergency(f"emergency_{half}")
    assert found.recall.value >= 0.95, found.missed
    assert found.alarms.value <= 0.02, found.wrong


@pytest.mark.parametrize("spans", [measures.whole, measures.streamed])
def test_personal_data_of_an_unseen_set_is_found(spans: Spans) -> None:
    found = measures.pii("pii_unseen", spans)
    assert found.recall.value >= 0.95, found.missed
    assert found.precision.value >= 0.95, found.wrong


def test_attacks_of_an_unseen_set_are_found() -> None:
    found = measures.injection("injection_unseen")
    assert found.recall.value >= 0.9, found.missed
    assert found.precision.value >= 0.9, found.wrong


def test_most_dangers_of_an_unseen_set_are_found() -> None:
    found = measures.emergency("emergency_unseen")
    assert found.recall.value >= 0.8, found.missed
    assert found.alarms.value <= 0.02, found.wrong


@pytest.mark.parametrize(
    ("name", "adapter", "most"),
    [("finance", "intent", 0.005), ("legal", "clause", 0.005), ("healthcare", "triage", 0.03)],
)
def test_what_people_ordinarily_write_in_the_demos_domains_diverts_hardly_anybody(
    name: str, adapter: str, most: float
) -> None:
    lines = (ROOT / "deploy" / "demo" / name / adapter / "train.jsonl").read_text(encoding="utf-8").splitlines()
    told = measures.alarms([json.loads(line)["input"] for line in lines])
    assert len(told) <= most * len(lines), told


@pytest.mark.parametrize(
    ("check", "bad", "good"), [("pii", 300, 300), ("injection", 300, 300), ("emergency", 150, 150)]
)
def test_the_sets_are_large_and_no_text_stands_in_both_halves(check: str, bad: int, good: int) -> None:
    halves = [rows(f"{check}_{half}") for half in HALVES]
    both = [row for half in halves for row in half]
    label = {"pii": "values", "injection": "attack", "emergency": "danger"}[check]
    assert sum(len(row["values"]) if check == "pii" else row[label] for row in both) >= bad
    assert sum(not row[label] for row in both) >= good
    texts = [row["text"] for row in both]
    assert [text for text in texts if texts.count(text) > 1] == []


def alike(text: str) -> str:
    """What is left of a text without its digits, its case and its marks; of marks alone, themselves."""
    return " ".join(re.sub(r"[\W_]", " ", re.sub(r"\d", "0", text)).casefold().split()) or text


@pytest.mark.parametrize("check", ["pii", "injection", "emergency"])
@pytest.mark.parametrize(("one", "other"), list(combinations(SETS, 2)))
def test_no_text_of_a_set_stands_in_another_with_other_digits_or_marks(check: str, one: str, other: str) -> None:
    known = {alike(row["text"]) for row in rows(f"{check}_{one}")}
    assert [row["text"] for row in rows(f"{check}_{other}") if alike(row["text"]) in known] == []


def test_a_share_has_wilsons_interval() -> None:
    low, high = Share(95, 100).interval
    assert (round(low, 3), round(high, 3)) == (0.888, 0.978)
    assert Share(0, 0).interval[0] == pytest.approx(0.207, abs=0.01)
    assert Share(10, 10).interval[1] == pytest.approx(1.0)


def test_the_page_is_that_of_this_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.plugins.builtin.checks_page`"
