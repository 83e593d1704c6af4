"""Streams behind their validators' windows, on the real engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import Served
from tests.support.paths import ROOT

pytestmark = pytest.mark.engine

TRIAGE = ROOT / "deploy" / "demo" / "healthcare" / "triage" / "2"
# What the constraint has the model say, token by token.
SAID = "take two pills a day and never the secret dose, then rest and drink much water"
ADAPTER = "windows/notes"


@pytest.fixture
def key(served: Served) -> Any:
    """A tenant of this domain, gone afterwards."""
    made = served.postil_json("tenants", "add", "windows-client", "--domain", "windows")["key"]
    yield made
    served.postil("tenants", "remove", "windows-client")


def publish(served: Served, folder: Path, act: str) -> str:
    """A release under which every answer holds what the blocklist names; returns its name."""
    policy = {
        "sampling": {"max_tokens": 100, "temperature": 1},  # vLLM refuses several choices without chance.
        "output": {"labels": [SAID], "field": "advice"},
        "validators": [
            {"name": "blocklist", "on_fail": act, "replacement": "[removed]", "config": {"phrases": ["secret dose"]}}
        ],
    }
    path = folder / "policy.yaml"
    path.write_text(json.dumps(policy))
    made = served.postil_json("publish", str(TRIAGE), "--adapter", ADAPTER, "--policy", str(path), "--promote")
    return str(made["release"])


def streamed(served: Served, key: str, release: str, **body: Any) -> list[dict[str, Any]]:
    """The chunks of one streamed answer, which has to end as streams end."""
    messages = [{"role": "user", "content": "What shall I do?"}]
    asked = {"model": release, "messages": messages, "stream": True, **body}
    with served.client(key) as client, client.stream("POST", "/v1/chat/completions", json=asked) as response:
        assert response.status_code == 200
        events = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert events[-1] == "[DONE]"
    return [json.loads(event) for event in events[:-1]]


def texts(chunks: list[dict[str, Any]], index: int = 0) -> list[str]:
    """What one choice said, piece by piece."""
    parts = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
    return [part["delta"]["content"] for part in parts if part["delta"].get("content")]


@pytest.mark.parametrize(
    ("act", "left", "finish"),
    [
        ("redact", json.dumps({"advice": SAID.replace("secret dose", "[removed]")}), "stop"),
        ("stop", json.dumps({"advice": SAID}).partition("secret dose")[0], "content_filter"),
        ("replace", json.dumps({"advice": SAID}).partition("secret dose")[0] + "[removed]", "content_filter"),
    ],
)
def test_a_forbidden_phrase_never_leaves_and_the_stream_ends_as_streams_end(
    served: Served, key: str, tmp_path: Path, act: str, left: str, finish: str
) -> None:
    release = publish(served, tmp_path, act)
    for choices in (1, 2):
        chunks = streamed(served, key, release, n=choices, stream_options={"include_usage": True})
        for index in range(choices):
            assert "".join(texts(chunks, index)) == left
        ends = [part["finish_reason"] for chunk in chunks for part in chunk["choices"] if part["finish_reason"]]
        assert ends == [finish] * choices
        assert chunks[-1]["usage"]["completion_tokens"] > 0
    whole = served.ask(key, "What shall I do?", model=release).json()["choices"][0]
    assert (whole["message"]["content"], whole["finish_reason"]) == (left, finish)
