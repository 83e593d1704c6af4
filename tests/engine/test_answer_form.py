"""Labels in a client's own form, and labels of other alphabets, on the real engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from openai import OpenAI, pydantic_function_tool
from pydantic import BaseModel

from tests.engine.conftest import Served
from tests.support.paths import ROOT

pytestmark = pytest.mark.engine

TRIAGE = ROOT / "deploy" / "demo" / "healthcare" / "triage" / "2"
LABELS = ("Übelkeit", "症状咨询", "症状", "高血压门诊预约", "قلب")


class Triage(BaseModel):
    """What a message is about."""

    category: Literal["symptoms", "appointment", "billing", "needs_review"]


@pytest.fixture
def key(served: Served) -> Iterator[str]:
    """A tenant of this domain, gone afterwards."""
    yield served.postil_json("tenants", "add", "script-client", "--domain", "scripts")["key"]
    served.postil("tenants", "remove", "script-client")


def test_a_label_is_parsed_and_called_in_one_step(served: Served) -> None:
    texts = ["I have chest pain and nausea", "can I come on monday", "why was I charged twice"]
    with OpenAI(base_url=f"{served.url}/v1", api_key="demo-clinic", max_retries=0, timeout=300) as client:
        for text in texts:
            plain = client.chat.completions.create(model="healthcare", messages=[{"role": "user", "content": text}])
            wanted = json.loads(plain.choices[0].message.content or "")
            parsed = client.chat.completions.parse(
                model="healthcare", messages=[{"role": "user", "content": text}], response_format=Triage
            )
            assert parsed.choices[0].message.parsed == Triage(**wanted)
            with client.chat.completions.stream(
                model="healthcare",
                messages=[{"role": "user", "content": text}],
                tools=[pydantic_function_tool(Triage)],
                stream_options={"include_usage": True},
            ) as stream:
                called = stream.get_final_completion()
            calls = called.choices[0].message.tool_calls or []
            (call,) = [*calls]
            assert (call.function.name, json.loads(call.function.arguments)) == ("Triage", wanted)
            assert called.choices[0].finish_reason == "tool_calls"
            assert called.usage is not None
            assert called.usage.completion_tokens == 1


def test_labels_of_other_alphabets_are_said_as_they_are_written(served: Served, key: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    output = {"labels": LABELS, "field": "Kategorie ä"}
    checks = [{"name": "labels"}, {"name": "confidence", "config": {"minimum": 0, "field": "Kategorie ä"}}]
    # Room for each byte as a token: an adapter that never learned these spells them as it likes.
    path.write_text(json.dumps({"sampling": {"max_tokens": 128}, "output": output, "validators": checks}))
    served.postil_json("publish", str(TRIAGE), "--adapter", "scripts/any", "--policy", str(path), "--promote")
    for text in ("mir ist übel", "我头疼", "hello"):
        # All of it generated, and with its beginning given: an adapter that learned other labels may say either.
        for wish in ({"logprobs": True}, {}):
            answered = served.ask(key, text, model="scripts/any", **wish)
            assert answered.status_code == 200, answered.text
            (choice,) = answered.json()["choices"]
            assert "\\u" not in choice["message"]["content"]
            assert json.loads(choice["message"]["content"])["Kategorie ä"] in LABELS
            assert choice["finish_reason"] == "stop"

    few = tmp_path / "few.yaml"
    few.write_text(json.dumps({"sampling": {"max_tokens": 8}, "output": output}))
    refused = served.postil("publish", str(TRIAGE), "--adapter", "scripts/any", "--policy", str(few))
    assert refused.returncode != 0
    assert "sampling.max_tokens is 8: no such answer could be whole" in " ".join(refused.stderr.split())
