"""Grammars on the real engine: what is let in is compiled soon, and a policy's own once at publish."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from postil.gateway.engine.grammar_trial import GrammarTrial
from postil.registry.errors import PolicyError
from postil.registry.policy.policy import Output
from tests.engine.conftest import Served
from tests.support.paths import ROOT

pytestmark = pytest.mark.engine

TRIAGE = ROOT / "deploy" / "demo" / "healthcare" / "triage" / "2"
STRING: dict[str, Any] = {"type": "string"}
LONG: dict[str, Any] = {"type": "object", "properties": {f"f{i}": {**STRING, "maxLength": 200 + i} for i in range(60)}}
# Within the bounds: two long lengths, many short ones, a pattern.
LET_IN: list[dict[str, Any]] = [
    {"type": "object", "properties": {"a": {**STRING, "maxLength": 201}, "b": {**STRING, "maxLength": 700}}},
    {"type": "object", "properties": {f"f{i}": {**STRING, "maxLength": 60 + i} for i in range(20)}},
    {"type": "object", "properties": {"a": {**STRING, "pattern": "^.{1,20}x.{1,21}y.{1,9}$"}}},
]


@pytest.fixture
def key(served: Served) -> Iterator[str]:
    """A tenant of this domain, gone afterwards."""
    yield served.postil_json("tenants", "add", "grammar-client", "--domain", "grammars")["key"]
    served.postil("tenants", "remove", "grammar-client")


def base(served: Served) -> Path:
    return served.home / "base" / "SmolLM2-135M-Instruct"


def test_a_schema_that_is_let_in_is_compiled_in_seconds(served: Served, key: str) -> None:
    for schema in LET_IN:
        form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        began = time.monotonic()
        answer = served.ask(key, "hello", model="base", max_tokens=3, response_format=form)
        assert answer.status_code == 200, answer.text
        assert time.monotonic() - began < 20  # One to two seconds where nothing else runs.


def test_a_schema_that_would_hold_up_everybody_is_refused_at_once(served: Served, key: str) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": LONG}}
    began = time.monotonic()
    refused = served.ask(key, "hello", model="base", response_format=form)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "response_format")
    assert served.ask("demo-clinic", "my head hurts").status_code == 200
    assert time.monotonic() - began < 15


def test_answers_to_a_policys_schema_do_not_end_in_white_space(served: Served, key: str, tmp_path: Path) -> None:
    properties = {"topic": {**STRING, "maxLength": 20}, "urgent": {"type": "boolean"}}
    schema = {"type": "object", "properties": properties, "required": ["topic", "urgent"]}
    path = tmp_path / "policy.yaml"
    path.write_text(json.dumps({"sampling": {"max_tokens": 100}, "output": {"json_schema": schema}}))
    made = served.postil_json("publish", str(TRIAGE), "--adapter", "grammars/notes", "--policy", str(path), "--promote")
    assert not [said for said in made["warnings"] if "system_prompt" not in said]
    for text in ("hi", "ok", "?", "my head hurts", "what now", "bye"):
        (choice,) = served.ask(key, text, model="grammars/notes").json()["choices"]
        assert choice["finish_reason"] == "stop", choice
        assert set(json.loads(choice["message"]["content"])) == {"topic", "urgent"}


async def test_the_compiler_is_tried_with_the_bases_own_tokenizer(served: Served) -> None:
    good: dict[str, Any] = {"type": "object", "properties": {"a": {**STRING, "maxLength": 20}}}
    await GrammarTrial().compile(Output(json_schema=good).constraint(), base(served))
    pattern: dict[str, Any] = {"type": "object", "properties": {"a": {**STRING, "pattern": "(?=a)("}}}
    with pytest.raises(PolicyError, match="vLLM cannot compile it"):
        await GrammarTrial().compile(Output(json_schema=pattern).constraint(), base(served))
    with pytest.raises(PolicyError, match="for too long"):
        await GrammarTrial().compile(Output(json_schema=LONG).constraint(), base(served))


def test_a_grammar_that_is_long_compiled_holds_up_no_label(served: Served) -> None:
    """It is compiled for the admin, who may send what nobody can tell the time of: some seconds of a core."""
    strings: dict[str, Any] = {f"f{i}": {**STRING, "maxLength": 301 + i} for i in range(16)}
    long = Output(json_schema={"type": "object", "properties": strings}).constraint()
    admin = (served.home / "admin.key").read_text().strip()
    with ThreadPoolExecutor() as aside:
        compiling = aside.submit(served.ask, admin, "hello", model="base", max_tokens=1, structured_outputs=long)
        labels = 0
        while not compiling.done():
            assert served.ask("demo-clinic", "my head hurts").status_code == 200
            labels += not compiling.done()
        assert compiling.result().status_code == 200
    # One alone would be the answer that waited for it.
    assert labels >= 3
