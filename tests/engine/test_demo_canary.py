"""A bad adapter as canary, on the real engine: it is gone by itself, and the log says why."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.engine.conftest import Served
from tests.support.paths import ROOT

pytestmark = pytest.mark.engine

DEMO = ROOT / "deploy" / "demo"
ADAPTER = "healthcare/triage"
REQUESTS = 400


def messages() -> list[str]:
    """What patients wrote, from the demo's validation set."""
    lines = (DEMO / ADAPTER / "validation.jsonl").read_text().splitlines()
    return [json.loads(line)["input"] for line in lines]


def test_a_bad_adapter_as_canary_is_gone_by_itself(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody published the lawyers' adapter where the clinic's belongs."""
    made = served.postil_json(
        "publish",
        str(DEMO / "legal" / "clause" / "1"),
        "--adapter",
        ADAPTER,
        "--policy",
        str(DEMO / ADAPTER / "policy.yaml"),
        "--note",
        "the wrong folder",
    )
    served.postil_json("canary", made["release"], "--weight", "50", "--reason", "try it")
    texts, answered = messages(), Counter[str]()
    with served.client("demo-clinic") as client:
        for number in range(REQUESTS):
            body = {"user": f"patient-{number}", "messages": [{"role": "user", "content": texts[number % len(texts)]}]}
            response = client.post("/v1/chat/completions", json=body)
            assert response.status_code == 200, response.text
            answered[response.headers["x-postil-release"]] += 1
            if number % 5 == 4 and served.postil_json("releases", ADAPTER)["canary"] is None:
                break
    state = served.postil_json("releases", ADAPTER)
    assert state["canary"] is None, answered
    assert state["live"] == 2
    event = state["events"][-1]
    assert (event["action"], event["actor"]) == ("canary-end", "postil")
    assert "validator failures" in event["reason"] or "fallbacks" in event["reason"]
    assert event["details"]["finding"]["candidate_failures"] > 3
    with capsys.disabled():
        print(f"\n{answered[made['release']]} requests on the canary: {event['reason']}")
