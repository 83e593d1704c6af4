"""A policy that is not what its adapter was trained with: said, and not refused."""

from __future__ import annotations

from typing import Any

import pytest

from postil.registry.policy.policy import policy_from
from postil.registry.policy.training_match import training_warnings
from tests.support.paths import ROOT

REPORT: dict[str, Any] = {
    "instruction": "Sort the message.", "field": "category", "labels": ["billing", "symptoms"], "reject": "other",
}  # fmt: skip
POLICY: dict[str, Any] = {
    "system_prompt": "Sort the message.", "output": {"labels": ["symptoms", "billing"], "reject": "other"},
}  # fmt: skip


def warnings(policy: dict[str, Any], report: dict[str, Any] | None = None) -> list[str]:
    """What is said of a policy."""
    return training_warnings(policy_from(policy), REPORT if report is None else report)


def test_the_policy_of_the_training_is_taken_without_a_word() -> None:
    assert warnings(POLICY) == []
    assert warnings({**POLICY, "output": None}) == []
    assert warnings({"output": {"labels": ["a", "b"]}}, {}) == []
    old = {key: value for key, value in REPORT.items() if key != "reject"} | {"options": {"reject": "other"}}
    assert warnings(POLICY, old) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"system_prompt": "Sort it."},
            "system_prompt is 'Sort it.', and training.json says that the adapter was trained",
        ),
        (
            {"system_prompt": None},
            "there is no system_prompt, and training.json says that the adapter was trained with ",
        ),
        (
            {"system_prompt": "Sort the  message.\n"},
            "system_prompt and that in training (training.json) differ in blanks",
        ),
        ({"system_prompt": "x" * 500}, f"system_prompt is '{'x' * 60}...', and "),
        (
            {"output": {"labels": ["symptoms", "bills"], "reject": "other"}},
            "output.labels lacks 'billing' and adds 'bills', compared with those in training",
        ),
        ({"output": {"labels": ["symptoms"], "reject": "other"}}, "output.labels lacks 'billing', compared with"),
        (
            {"output": {**POLICY["output"], "field": "kind"}},
            "output.field is 'kind', and the adapter was trained with 'category'",
        ),
        (
            {"output": {**POLICY["output"], "reject": "none"}},
            "output.reject is 'none', and the adapter was trained with",
        ),
        ({"output": {"labels": ["symptoms", "billing"]}}, "there is no output.reject, and the adapter was trained to "),
    ],
)
def test_a_difference_is_one_sentence(changes: dict[str, Any], says: str) -> None:
    (warning,) = warnings({**POLICY, **changes})
    assert warning.startswith(says)


def test_an_adapter_that_was_trained_without_a_prompt_is_one_too() -> None:
    (warning,) = warnings(POLICY, {"instruction": ""})
    assert "was trained with none" in warning


@pytest.mark.parametrize(
    "report",
    [{"instruction": 7, "labels": "ab", "field": [], "reject": {}}, {"labels": [1]}, {"labels": []}, {"options": 7}],
)
def test_a_report_that_is_anybodys_json_says_nothing(report: dict[str, Any]) -> None:
    assert warnings(POLICY, report) == []


def test_the_demo_is_without_a_warning() -> None:
    import json

    from postil.registry.policy.policy import parse_policy

    found = list((ROOT / "deploy/demo").glob("*/*/*/training.json"))
    assert found
    for path in found:
        policy = parse_policy((path.parent.parent / "policy.yaml").read_bytes())
        assert training_warnings(policy, json.loads(path.read_bytes())) == []
