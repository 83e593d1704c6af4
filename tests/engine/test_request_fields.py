"""Request fields on the real engine: what the table passes on ends nothing, alone and beside running requests."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from postil.gateway.inference.fields.table import FIELDS
from postil.gateway.inference.formats import Kind
from tests.engine.conftest import Served
from tests.fields.samples import SAMPLES, SECOND

pytestmark = pytest.mark.engine
KEY = "demo-clinic"
START: dict[Kind, dict[str, Any]] = {
    Kind.CHAT: {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 2},
    Kind.TEXT: {"prompt": "hello", "max_tokens": 2},
}
ODD = st.sampled_from([None, True, -1, 0, 1, 2**31, 2**63, 2**70, 1e308, "", "a", [], [2**70], {}, {"a": 2**70}])


def asked(served: Served, path: str, body: dict[str, Any]) -> int:
    """The status of one request."""
    with served.client(KEY) as client:
        return client.post(path, json=body).status_code


def test_prompt_logprobs_beside_running_requests_end_nothing(served: Served) -> None:
    running = threading.Thread(
        target=lambda: [served.ask(KEY, "my head hurts") for _ in range(12)], name="labels beside"
    )
    running.start()
    try:
        for model in ("base", "healthcare"):
            right = 200 if model == "base" else 400
            body = {"model": model, "prompt": ["one two three", "four"], "echo": True, "logprobs": 1, "max_tokens": 1}
            assert asked(served, Kind.TEXT.value, body) == right
            assert asked(served, Kind.TEXT.value, {**body, "n": 2, "echo": False, "prompt_logprobs": 0}) == right
            assert asked(served, Kind.CHAT.value, {**START[Kind.CHAT], "model": model, "prompt_logprobs": 20}) == right
            assert asked(served, Kind.CHAT.value, {**START[Kind.CHAT], "model": model, "echo": True}) == right
    finally:
        running.join()
    assert served.ask(KEY, "my head hurts").status_code == 200


def test_the_probabilities_of_a_prompt_are_those_of_the_prompt(served: Served) -> None:
    with served.client(KEY) as client:
        body = {"model": "base", "prompt": "one two three four", "echo": True, "logprobs": 1, "max_tokens": 0}
        choice = client.post("/v1/completions", json=body).json()["choices"][0]
    assert choice["text"] == "one two three four"
    first, *rest = choice["logprobs"]["token_logprobs"]
    assert first is None
    assert rest
    assert all(value <= 0 for value in rest)


def test_no_field_of_any_value_makes_the_engine_fail(served: Served) -> None:
    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data(), st.sampled_from(Kind))
    def holds(data: st.DataObject, kind: Kind) -> None:
        names = data.draw(st.lists(st.sampled_from(sorted(FIELDS[kind].keys() - {"model"})), max_size=3, unique=True))
        body = {**START[kind], "model": "base"}
        for name in names:
            known = SAMPLES[kind].get(name, SAMPLES[Kind.CHAT].get(name, ["a"]))
            body |= {**SECOND.get(name, {}), name: data.draw(st.sampled_from(known) | ODD)}
        assert asked(served, kind.value, body) < 500, body

    holds()
    assert served.ask(KEY, "my head hurts").status_code == 200
