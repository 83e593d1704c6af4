from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from postil.plugins.statistics.paired import Pairs
from postil.registry.artifacts.model_card import model_card
from postil.registry.db.tables import Release
from postil.registry.policy.policy import Policy, parse_policy
from postil.registry.training.comparison import compared
from tests.support.paths import ROOT

DEMO = ROOT / "deploy/demo/healthcare/triage"


def front(card: str) -> Any:
    """What a hub reads of it."""
    return yaml.safe_load(card.split("---\n")[1])


def release(policy: Policy, **values: Any) -> Release:
    """A release as the registry keeps it."""
    known = {
        "domain": "healthcare", "adapter": "triage", "number": 2, "artifact": f"sha256:{'a' * 64}",
        "base_id": "HuggingFaceTB/SmolLM2-135M-Instruct", "base_revision": "main", "validators": {}, "source": "",
        "policy": policy.model_dump(mode="json", exclude_defaults=True), "policy_digest": policy.digest(),
        "note": "", "actor": "ann", "created_at": datetime(2026, 11, 1, tzinfo=UTC),
    }  # fmt: skip
    return Release(**{**known, **values})


def test_the_card_of_the_demo_tells_what_it_is_and_how_good() -> None:
    text = model_card(release(parse_policy((DEMO / "policy.yaml").read_text())), DEMO / "2")
    card = ModelCard(text)
    assert front(text) == {
        "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct", "library_name": "peft",
        "tags": ["lora", "postil", "healthcare"],
    }  # fmt: skip
    assert card.text.strip().startswith("# healthcare/triage@2\n")
    report = json.loads((DEMO / "2" / "training.json").read_text())
    assert f"{report['adapter_metrics']['right']} are answered right" in card.text
    for told in (
        "`sha256:" + "a" * 64, "    Sort the patient's message", "`needs_review` where none fits", "2026-11-01",
        "postil publish PATH --adapter healthcare/triage", "`labels`, `confidence`", '`{"max_tokens": 32}`',
    ):  # fmt: skip
        assert told in card.text


def test_intervals_and_the_linear_model_are_told_where_they_were_measured(tmp_path: Path) -> None:
    report = json.loads((DEMO / "2" / "training.json").read_text())
    metrics = report["adapter_metrics"] | {"interval": [0.935, 0.98]}
    comparison = compared(Pairs(300, 8, 12)).model_dump(mode="json")
    linear = {
        "training": {}, "metrics": metrics | {"accuracy": 0.95}, "comparison": comparison,
        "confidence": report["confidence"],
    }  # fmt: skip
    (tmp_path / "training.json").write_text(json.dumps(report | {"adapter_metrics": metrics, "linear": linear}))
    card = model_card(release(Policy()), tmp_path)
    assert "(93.5% to 98.0%) | 33.7% |" in card
    assert "A linear model that was trained on the same rows answers 95.0% right.\n" in card


def test_a_base_that_is_no_name_on_a_hub_is_not_given_as_one(tmp_path: Path) -> None:
    card = model_card(release(Policy(), base_id="my base"), tmp_path)
    assert "base_model" not in front(card)
    assert "- base model: `my base`" in card


def test_where_it_was_published_from_is_told(tmp_path: Path) -> None:
    source = f"hf://acme/triage@{'c' * 40}"
    assert f"- published from: `{source}`" in model_card(release(Policy(), source=source), tmp_path)


@pytest.mark.parametrize("report", [None, "", "[]", "{}", '{"adapter_metrics": {"accuracy": "high"}}', "\0"])
def test_a_report_that_is_not_of_postil_is_left_out(tmp_path: Path, report: str | None) -> None:
    if report is not None:
        (tmp_path / "training.json").write_text(report)
    assert "How good" not in model_card(release(Policy()), tmp_path)


def test_an_empty_policy_is_said_to_be_empty(tmp_path: Path) -> None:
    assert "its policy is empty" in model_card(release(Policy()), tmp_path)


def test_a_prompt_cannot_break_out_of_its_place(tmp_path: Path) -> None:
    policy = Policy.model_validate({
        "system_prompt": "```\n# A heading\n<script>",
        "output": {"labels": ["`<b>`", "a|b"]},
        "validators": [{"name": "labels", "config": {}}],
    })  # fmt: skip
    text = model_card(release(policy), tmp_path)
    assert "    ```\n    # A heading\n    <script>\n" in text
    assert '`` ["`<b>`", "a|b"] ``' in text
    assert not re.search("^# A heading", text, re.MULTILINE)


def test_a_schema_is_named_and_not_written_out(tmp_path: Path) -> None:
    policy = Policy.model_validate({"output": {"json_schema": {"type": "object"}}})
    assert "JSON after the policy's schema" in model_card(release(policy), tmp_path)
