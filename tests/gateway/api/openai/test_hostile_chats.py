"""Whatever a chat's body holds: a clear answer, and the engine sees what the gateway acted on."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.gateway.conftest import FREE_TEXT, House, bearer

CHATS = int(os.environ.get("POSTIL_TEST_CHATS", "1000"))
TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from('\0\x7f"\\{}[]\ufeff\u2028'), max_size=20)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats() | TEXTS | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
PART = st.fixed_dictionaries({"type": TEXTS | st.just("text"), "text": ANYTHING})
PLAIN = st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS})
CONTENT = TEXTS | ANYTHING | st.lists(PART, max_size=3)
MESSAGE = ANYTHING | st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "system", "assistant", "tool", "root"]) | ANYTHING, "content": CONTENT}
)
MODELS = st.sampled_from([None, "auto", "base", "healthcare", "healthcare/triage", "healthcare/triage@1", "finance"])
UNREAD = (
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "logprobs",
    "top_logprobs",
    "stop",
    "tools",
    "tool_choice",
    "response_format",
    "structured_outputs",
    "guided_json",
    "seed",
    "cache_salt",
    "metadata",
    "vllm_xargs",
)
KNOWN: dict[str, st.SearchStrategy[Any]] = {
    "model": MODELS | ANYTHING,
    "stream": st.booleans() | ANYTHING,
    "stream_options": st.fixed_dictionaries({"include_usage": st.booleans() | ANYTHING}) | ANYTHING,
    "n": st.integers(-1, 3) | ANYTHING,
    "user": TEXTS | ANYTHING,
    "prompt": TEXTS | st.lists(st.integers(), max_size=3) | ANYTHING,
    **dict.fromkeys(UNREAD, ANYTHING),
}
BODY = st.fixed_dictionaries({"messages": st.lists(MESSAGE, max_size=4) | ANYTHING}, optional=KNOWN) | ANYTHING
# What a client means to send, with at most one field of something else.
SAID = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "system", "assistant"]), "content": TEXTS | st.lists(PLAIN, max_size=3)}
)
MEANT = st.fixed_dictionaries(
    {"messages": st.lists(SAID, min_size=1, max_size=3)},
    optional={
        "model": MODELS,
        "stream": st.booleans(),
        "n": st.integers(1, 3),
        "user": TEXTS,
        "temperature": st.floats(0, 2),
        "max_tokens": st.integers(1, 100),
        "metadata": ANYTHING,
    },
)
ODD = st.dictionaries(st.sampled_from(sorted(KNOWN)), ANYTHING, max_size=1)
NEAR = st.builds(lambda meant, odd: {**meant, **odd}, MEANT, ODD)
RAW = (NEAR | BODY).map(lambda body: json.dumps(body).encode()) | st.binary(max_size=200)


class Asker:
    """Asks the gateway from a thread of hypothesis's."""

    def __init__(self, house: House, keys: list[str], loop: asyncio.AbstractEventLoop) -> None:
        self.house, self.keys, self.loop, self.statuses = house, keys, loop, dict[int, int]()

    def __call__(self, raw: bytes, number: int, path: str) -> None:
        asked = self.house.client.post(path, content=raw, headers=bearer(self.keys[number % len(self.keys)]))
        answer = asyncio.run_coroutine_threadsafe(asked, self.loop).result(60)
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (answer.status_code, answer.content[:300])
        for secret in (b"Traceback", b'File "', str(self.house.folder).encode(), b"site-packages"):
            assert secret not in answer.content
        if answer.status_code >= 400:
            assert set(answer.json()["error"]) >= {"message", "type", "param", "code"}


async def test_no_body_breaks_the_gateway(house: House, clinic: str) -> None:
    await house.publish("finance/free", FREE_TEXT, seed=1)
    asker = Asker(house, [clinic, await house.tenant("bank", "finance"), house.admin_key], asyncio.get_running_loop())

    @settings(
        max_examples=CHATS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=CHATS <= 1000,
    )
    @given(RAW, st.integers(0, 2), st.sampled_from(["/v1/chat/completions", "/v1/chat/completions", "/v1/completions"]))
    def ask(raw: bytes, number: int, path: str) -> None:
        asker(raw, number, path)

    await asyncio.to_thread(ask)
    print("answers by status:", dict(sorted(asker.statuses.items())))
    assert asker.statuses.get(200, 0) > CHATS // 10
    assert asker.statuses.get(400, 0) > CHATS // 10


async def test_where_a_key_stands_twice_the_engine_sees_what_the_gateway_acted_on(house: House, clinic: str) -> None:
    raw = (
        b'{"model":"finance","model":"healthcare/triage","messages":[{"role":"user","content":"a","content":"b"}],'
        b'"stream":true,"stream":false,"\\u006dax_tokens":1000,"cache_salt":"x","cache_salt":"y"}'
    )
    answer = await house.client.post("/v1/chat/completions", content=raw, headers=bearer(clinic))
    assert (answer.status_code, answer.json()["model"]) == (200, "healthcare/triage")
    (sent,) = house.engine.requests
    assert sent["messages"][-1] == {"role": "user", "content": "b"}
    assert sent["max_tokens"] == 32
    assert sent["cache_salt"] not in ("x", "y")
    assert sent["stream"] is False


ENGINES = (
    "/v1/load_lora_adapter",
    "/v1/unload_lora_adapter",
    "/pause",
    "/resume",
    "/invocations",
    "/sleep",
    "/wake_up",
    "/collective_rpc",
    "/reset_prefix_cache",
    "/server_info",
    "/pooling",
    "/inference/v1/generate",
    "/v1//load_lora_adapter",
    "//v1/load_lora_adapter",
    "/v1/%6coad_lora_adapter",
    "/v1%2fload_lora_adapter",
    "/v1/./load_lora_adapter",
    "/v1/models/../load_lora_adapter",
    "/v1/models/%2e%2e/load_lora_adapter",
    "/v1/models/..%2fload_lora_adapter",
    "/v1/chat/completions/../../load_lora_adapter",
    "/v1/chat/completions/%2e%2e/%2e%2e/load_lora_adapter",
    "/v1/chat/completions/..;/load_lora_adapter",
    "/V1/LOAD_LORA_ADAPTER",
    "http://engine/v1/load_lora_adapter",
)
# The gateway answers these itself, and to GET alone.
READ_ONLY = ("/metrics", "/version")
# Engines have these, too: the gateway's own ask for a key.
OWN: Mapping[str, Mapping[str, Any]] = {
    "/tokenize": {"prompt": "a"},
    "/detokenize": {"tokens": [1]},
    "/v1/responses": {"input": "a"},
    "/v1/embeddings": {"input": "a"},
}


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_nothing_of_the_engines_own_can_be_reached(house: House, method: str) -> None:
    loads = house.engine.loads
    for path in (*ENGINES, *(READ_ONLY if method == "POST" else ())):
        answer = await asked(house, method, path)
        assert int(answer.split()[1]) in (400, 404, 405), (path, answer)
    assert house.engine.loads == loads
    assert not house.engine.requests


@pytest.mark.parametrize("path", OWN)
@pytest.mark.parametrize("headers", [{}, bearer("pk_nobody"), {"x-api-key": "pk_nobody"}])
async def test_a_route_that_engines_have_as_well_asks_for_a_key(
    house: House, clinic: str, path: str, headers: dict[str, str]
) -> None:
    house.engine.template, house.engine.embeds = (lambda body: [1]), True
    house.engine.beside.clear()  # A policy was tried.
    body = {"model": "base", **OWN[path]}
    answer = await house.client.post(path, json=body, headers=headers)
    assert answer.status_code == 401, answer.text
    assert (house.engine.requests, house.engine.beside) == ([], [])
    answer = await house.client.post(path, json=body, headers=bearer(clinic))
    assert answer.status_code == 200, answer.text
    assert house.engine.requests or house.engine.beside


async def asked(house: House, method: str, path: str) -> bytes:
    """What is answered to a path that nobody has put right on its way."""
    host, port = house.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = b'{"lora_name":"x","lora_path":"/"}'
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {house.admin_key}\r\nconnection: close\r\n"
        f"content-length: {len(body)}\r\ncontent-type: application/json\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    return answer
