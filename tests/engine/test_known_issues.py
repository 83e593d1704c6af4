"""What people suffer from elsewhere, by its symptom, on the real engine."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine.conftest import Served
from tests.support.paths import ROOT

pytestmark = pytest.mark.engine

TRIAGE = ROOT / "deploy" / "demo" / "healthcare" / "triage"
POLICY = "system_prompt: Answer as you were taught.\nsampling: {max_tokens: 12, temperature: 0}\n"
LONG = " ".join(["the patient says that the knee hurts when climbing stairs"] * 6)


@pytest.fixture
def policy(tmp_path: Path) -> str:
    """A policy that lets the weights speak."""
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return str(path)


def tokens(served: Served, key: str, model: str) -> list[tuple[str, float]]:
    """What a release says to the same question, with its log-probabilities."""
    response = served.ask(key, LONG, model=model, logprobs=True)
    assert response.status_code == 200, response.text
    content: list[dict[str, Any]] = response.json()["choices"][0]["logprobs"]["content"]
    return [(token["token"], token["logprob"]) for token in content]


def test_a_new_version_under_the_same_name_is_not_answered_from_the_old_ones_prefix_cache(
    served: Served, policy: str
) -> None:
    """Both releases have the same prompt: whatever is cached of the first must not reach the second."""
    adapter = "pains/cache"
    for number in (1, 2):
        served.postil_json("publish", str(TRIAGE / str(number)), "--adapter", adapter, "--policy", policy)
    served.postil_json("promote", f"{adapter}@1")
    keys = [
        served.postil_json("tenants", "add", name, "--domain", "pains", "--right", "numbers")["key"]
        for name in ("pains-a", "pains-b")
    ]
    first = [tokens(served, keys[0], adapter) for _ in range(2)]
    served.postil_json("promote", f"{adapter}@2")
    second = tokens(served, keys[0], adapter)
    # Another tenant has another salt: nothing that was cached before can be in its answers.
    untouched = tokens(served, keys[1], f"{adapter}@2")
    served.postil_json("rollback", adapter)
    again = tokens(served, keys[0], adapter)
    assert close(first[0], first[1])
    assert close(second, untouched)
    assert close(again, first[0])
    assert not close(first[0], second), "the two releases say the same, so this shows nothing"


def close(one: list[tuple[str, float]], other: list[tuple[str, float]]) -> bool:
    """The same tokens with the same log-probabilities, but for rounding."""
    return [text for text, _ in one] == [text for text, _ in other] and all(
        abs(left - right) < 1e-2 for (_, left), (_, right) in zip(one, other, strict=True)
    )


def test_a_load_during_generation_leaves_the_stream_whole(served: Served, policy: str) -> None:
    """Elsewhere a load while tokens are made has crashed the server."""
    body = {
        "model": "base",
        "stream": True,
        "max_tokens": 48,
        "min_tokens": 48,
        "messages": [{"role": "user", "content": "Tell me a long story."}],
    }
    lines: list[str] = []
    begun = threading.Event()

    def stream() -> None:
        with (
            served.client("demo-clinic") as client,
            client.stream("POST", "/v1/chat/completions", json=body) as response,
        ):
            for line in response.iter_lines():
                begun.set()
                lines.append(line)

    streaming = threading.Thread(target=stream)
    streaming.start()
    assert begun.wait(timeout=120)
    for number in (1, 2):
        name = f"pains/load{number}"
        served.postil_json("publish", str(TRIAGE / str(number)), "--adapter", name, "--policy", policy, "--promote")
    streaming.join(timeout=300)
    events = [line.removeprefix("data: ") for line in lines if line]
    assert events[-1] == "[DONE]"
    said = [choice for event in events[:-1] for choice in json.loads(event)["choices"]]
    assert sum(bool(choice["delta"].get("content")) for choice in said) >= 40


def test_a_release_is_listed_and_loaded_before_anybody_has_asked_it(served: Served, policy: str) -> None:
    source = str(TRIAGE / "2")
    made = served.postil_json("publish", source, "--adapter", "pains/listed", "--policy", policy, "--promote")
    key = served.postil_json("tenants", "add", "pains-c", "--domain", "pains")["key"]
    listed = httpx.get(f"{served.url}/v1/models", headers={"Authorization": f"Bearer {key}"}, timeout=60).json()
    assert made["release"] in {model["id"] for model in listed["data"]}
    rows = {row["release"]: row["loaded"] for row in served.postil_json("status")["adapters"]}
    assert rows[made["release"]] is True
