"""What ``postil usage`` says, held against the real vLLM's own counts of tokens."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.benchmarks.side_channel import engine_of
from tests.engine.conftest import Served

pytestmark = pytest.mark.engine
COUNTERS = ("vllm:prompt_tokens_total", "vllm:generation_tokens_total")
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
MESSAGES = [{"role": "user", "content": "When can I see the doctor?"}]
ASKED: list[tuple[str, dict[str, Any]]] = [
    (CHAT, {"model": "base", "messages": MESSAGES, "max_tokens": 9}),
    (CHAT, {"model": "base", "messages": MESSAGES, "max_tokens": 9, "n": 2, "temperature": 1.0}),
    (CHAT, {"model": "base", "messages": MESSAGES, "max_tokens": 9, "stream": True}),
    (CHAT, {"model": "base", "messages": MESSAGES, "max_tokens": 9, "stream": True,
            "stream_options": {"include_usage": True}}),
    (TEXT, {"model": "base", "prompt": "The doctor said", "max_tokens": 7}),
    (TEXT, {"model": "base", "prompt": ["One", "and two"], "max_tokens": 5, "stream": True}),
    (CHAT, {"model": "healthcare/triage", "messages": MESSAGES}),
    (CHAT, {"model": "healthcare/triage", "messages": MESSAGES, "stream": True}),
    (CHAT, {"model": "healthcare/triage@1", "messages": MESSAGES, "logprobs": True}),
]  # fmt: skip


@pytest.fixture
def engine(served: Served) -> Iterator[httpx.Client]:
    """The vLLM behind the gateway."""
    with engine_of(served) as client:
        yield client


def counted(engine: httpx.Client) -> tuple[int, int]:
    """Tokens of prompts and of answers since the engine started."""
    text = engine.get("/metrics").raise_for_status().text
    found = [re.findall(rf"^{name}\b\S* (\S+)$", text, re.MULTILINE) for name in COUNTERS]
    prompts, answers = (int(sum(map(float, values))) for values in found)
    return prompts, answers


def used(served: Served) -> tuple[int, int]:
    """The same, as the gateway has counted them for the tenant."""
    rows = served.postil_json("usage", "--tenant", "counted", "--by", "release")["data"]
    retries = [row["retry"] for row in rows if "retry" in row]
    return tuple(sum(row[name] for row in [*rows, *retries]) for name in ("prompt_tokens", "completion_tokens"))


def test_usage_adds_up_with_what_vllm_counted(served: Served, engine: httpx.Client) -> None:
    key = served.postil_json(
        "tenants", "add", "counted", "--domain", "healthcare", "--right", "base", "--right", "numbers"
    )["key"]
    before = counted(engine)
    with served.client(key) as client:
        answers = [client.post(path, json=body).raise_for_status() for path, body in ASKED]
    # Of several answers to one prompt, vLLM's counter has the prompt each time, and what it tells its clients once.
    more = sum(
        answer.json()["usage"]["prompt_tokens"] * (body["n"] - 1)
        for answer, (_, body) in zip(answers, ASKED, strict=True)
        if "n" in body
    )
    until = time.monotonic() + 30  # vLLM counts the last step a moment after it has answered.
    while (seen := since(before, engine, more)) != used(served):
        assert time.monotonic() < until, (seen, used(served))
    assert min(seen) > 0


def since(before: tuple[int, int], engine: httpx.Client, more: int) -> tuple[int, int]:
    """What vLLM has counted since, less the prompts that it counted again."""
    prompts, answers = counted(engine)
    return prompts - before[0] - more, answers - before[1]
