"""``postil verify`` over the real engine: what it says of the demo's adapter, and of one that does nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from tests.engine.conftest import Served
from tests.support.paths import ROOT

pytestmark = pytest.mark.engine

TRIAGE = ROOT / "deploy" / "demo" / "healthcare" / "triage"
ROWS = str(TRIAGE / "validation.jsonl")


def test_the_demos_adapter_is_served_as_it_was_trained(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    found = served.postil_json(
        "verify", "healthcare/triage@2", "--data", ROWS, "--rows", "25", "--most-different", "0.04", "--at-once", "8"
    )
    with capsys.disabled():
        print(f"\nanswers {found['answers']}, probabilities {found['confidence']}, against the base {found['effect']}")
    assert found["verified"], found["problems"]
    assert found["answers"]["rows"] == 25
    assert found["effect"]["other_label"] > 0


def test_an_adapter_whose_weights_do_nothing_is_found(served: Served, tmp_path: Path) -> None:
    folder = tmp_path / "nothing"
    shutil.copytree(TRIAGE / "2", folder)
    weights = load_file(folder / "adapter_model.safetensors")
    empty = {name: tensor * 0 if "lora_B" in name else tensor for name, tensor in weights.items()}
    save_file(empty, folder / "adapter_model.safetensors")
    policy = tmp_path / "policy.yaml"
    # Without a minimum, so that the answers are seen.
    policy.write_text((TRIAGE / "policy.yaml").read_text().partition("input:")[0])
    served.postil_json("publish", str(folder), "--adapter", "healthcare/nothing", "--policy", str(policy))
    done = served.postil("verify", "healthcare/nothing@1", "--data", ROWS, "--rows", "10", "--at-once", "8", "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["effect"]["rows"] == 10
    assert found["problems"][0].startswith("the adapter is not applied: in all 10 rows"), found
