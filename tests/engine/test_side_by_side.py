"""What postil does again of vLLM's own behaviour, beside vLLM: each request is sent to both.

A row says what both have to answer alike: the status, and the field that is at fault. Where they differ, the row says
how, and why. The code and the sentence are postil's: vLLM's ``code`` is the status.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from tests.engine.conftest import Served
from tests.support.past_the_gateway import engine_client

pytestmark = pytest.mark.engine
KEY = "demo-clinic"
CHAT, TEXT, TOKENS, NO_TOKENS = "/v1/chat/completions", "/v1/completions", "/tokenize", "/detokenize"
HELLO = [{"role": "user", "content": "hello"}]
SHORT = {"messages": HELLO, "max_tokens": 1}
LONG = "word " * 3000


class Row(NamedTuple):
    """A request. ``ours`` and ``theirs`` are statuses; where they differ, ``why`` says the reason."""

    path: str
    body: dict[str, Any]
    ours: int
    theirs: int
    code: str = ""
    param: str | None = None
    why: str = ""


ALIKE = [
    Row(CHAT, {**SHORT, "model": "base"}, 200, 200),
    Row(TEXT, {"model": "base", "prompt": "hello", "max_tokens": 1}, 200, 200),
    Row(TOKENS, {"model": "base", "prompt": "hello"}, 200, 200),
    Row(TOKENS, {"model": "base", "messages": HELLO}, 200, 200),
    Row(NO_TOKENS, {"model": "base", "tokens": [1, 2, 3]}, 200, 200),
    Row(CHAT, {**SHORT, "model": "nothing"}, 404, 404, "model_not_found", "model"),
    Row(TEXT, {"model": "nothing", "prompt": "hello"}, 404, 404, "model_not_found", "model"),
    Row(TOKENS, {"model": "nothing", "prompt": "hello"}, 404, 404, "model_not_found", "model"),
    Row(CHAT, {"model": "base"}, 400, 400, "missing_required_parameter", "messages"),
    Row(CHAT, {"model": "base", "messages": []}, 400, 400, "invalid_value", "messages"),
    Row(CHAT, {"model": "base", "messages": "hello"}, 400, 400, "invalid_value", "messages"),
    Row(CHAT, {**SHORT, "model": "base", "n": "x"}, 400, 400, "invalid_value", "n"),
    Row(CHAT, {**SHORT, "model": "base", "n": 0}, 400, 400, "invalid_value", "n"),
    Row(CHAT, {**SHORT, "model": "base", "n": 2, "temperature": 0}, 400, 400, "invalid_value", "n"),
    Row(CHAT, {**SHORT, "model": "base", "temperature": 3}, 400, 400, "invalid_value", "temperature"),
    Row(CHAT, {**SHORT, "model": "base", "top_p": 2}, 400, 400, "invalid_value", "top_p"),
    Row(CHAT, {**SHORT, "model": "base", "top_logprobs": 2}, 400, 400, "invalid_value", "top_logprobs"),
    Row(CHAT, {**SHORT, "model": "base", "logit_bias": {"999999": 1}}, 400, 400, "invalid_value", "logit_bias"),
    Row(CHAT, {**SHORT, "model": "base", "allowed_token_ids": [999999]}, 400, 400, "invalid_value",
        "allowed_token_ids"),
    Row(CHAT, {**SHORT, "model": "base", "stop_token_ids": [999999]}, 400, 400, "invalid_value", "stop_token_ids"),
    Row(CHAT, {**SHORT, "model": "base", "max_tokens": 99999}, 400, 400, "invalid_value", "max_tokens"),
    Row(CHAT, {**SHORT, "model": "base", "min_tokens": 9}, 400, 400, "invalid_value", "min_tokens"),
    Row(CHAT, {**SHORT, "model": "base", "tool_choice": "auto"}, 400, 400, "invalid_value", "tool_choice"),
    Row(CHAT, {**SHORT, "model": "base", "response_format": {"type": "json_schema"}}, 400, 400, "invalid_value",
        "response_format"),
    Row(CHAT, {**SHORT, "model": "base", "messages": [{"role": "user", "content": LONG}]}, 400, 400,
        "context_length_exceeded", "messages"),
    Row(CHAT, {**SHORT, "model": "base", "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]}, 400, 400,
        "unsupported_parameter", "messages"),
    Row(TEXT, {"model": "base", "prompt": LONG}, 400, 400, "context_length_exceeded", "prompt"),
    Row(TEXT, {"model": "base", "prompt": [999999]}, 400, 400, "invalid_value", "prompt"),
    Row(TEXT, {"model": "base", "prompt": []}, 400, 400, "invalid_value", "prompt"),
    Row(TEXT, {"model": "base", "prompt": "x", "suffix": "y"}, 400, 400, "unsupported_parameter", "suffix"),
    Row(NO_TOKENS, {"model": "base", "tokens": [-1]}, 400, 400, "invalid_value", "tokens"),
    Row(NO_TOKENS, {"model": "base"}, 400, 400, "missing_required_parameter", "tokens"),
    Row(TOKENS, {"model": "base"}, 400, 400, "missing_required_parameter", "prompt"),
    Row(TOKENS, {"model": "base", "messages": HELLO, "chat_template": "x"}, 400, 400, "unsupported_parameter",
        "chat_template"),
]  # fmt: skip
DIFFERENT = [
    Row(CHAT, {**SHORT, "model": "base", "guided_choice": ["a"]}, 400, 200, "unknown_parameter", "guided_choice",
        "vLLM ignores what it does not know, and nobody hears of it"),
    Row(CHAT, {**SHORT, "model": "base", "priority": 5}, 400, 200, "unsupported_parameter", "priority",
        "tenants have equal shares; vLLM ignores it where its scheduler does"),
    Row(CHAT, {**SHORT, "model": "base", "structured_outputs": {"regex": "("}}, 403, 400, "model_forbidden",
        "structured_outputs", "grammars of their own are for tenants with the right to them"),
    Row("/v1/embeddings", {"model": "base", "input": "x"}, 400, 404, "unsupported_endpoint", None,
        "clients take a 404 for a missing model"),
    Row("/v1/rerank", {"model": "base", "query": "x", "documents": ["y"]}, 400, 404, "unsupported_endpoint", None,
        "clients take a 404 for a missing model"),
    Row("/v1/images/generations", {"model": "base", "prompt": "x"}, 400, 404, "unsupported_endpoint", None,
        "clients take a 404 for a missing model"),
    Row("/v1/nothing", {}, 404, 404, "unknown_url", None, "neither has it"),
]  # fmt: skip


@pytest.fixture
def both(served: Served) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """The gateway and its vLLM."""
    with served.client(KEY) as ours, engine_client(served.everybody()) as theirs:
        yield ours, theirs


def test_each_request_is_answered_alike_or_differs_as_the_table_says(
    both: tuple[httpx.Client, httpx.Client],
) -> None:
    ours, theirs = both
    wrong = [line for row in [*ALIKE, *DIFFERENT] for line in differences(row, ours, theirs)]
    assert not wrong, "\n".join(wrong)


def differences(row: Row, ours: httpx.Client, theirs: httpx.Client) -> Iterator[str]:
    """What is not as the row says."""
    here, there = ours.post(row.path, json=row.body), theirs.post(row.path, json=row.body)
    where = f"{row.path} {str(row.body)[:120]}"
    if (here.status_code, there.status_code) != (row.ours, row.theirs):
        yield f"{where}: {here.status_code}, vLLM {there.status_code}: {here.text[:300]} / {there.text[:300]}"
        return
    if row.ours == 200:
        return
    error = here.json()["error"]
    if error.keys() != {"message", "type", "param", "code"} or not isinstance(error["code"], str):
        yield f"{where}: not OpenAI's shape: {error}"
    if (error["code"], error["param"]) != (row.code, row.param):
        yield f"{where}: {error} / {there.text[:300]}"
    if any(inside in error["message"] for inside in ("\n", "http://", "https://", "parameter=", "pydantic", "--")):
        yield f"{where}: tells vLLM's insides: {error['message']}"


def test_tokens_are_vllms_own(both: tuple[httpx.Client, httpx.Client]) -> None:
    ours, theirs = both
    for body in (
        {"model": "base", "prompt": "Grüße, 症状!", "add_special_tokens": False, "return_token_strs": True},
        {"model": "base", "messages": HELLO, "add_generation_prompt": False},
    ):
        for path in (TOKENS, f"/v1{TOKENS}"):
            assert ours.post(path, json=body).json() == theirs.post(TOKENS, json=body).json()
        # An adapter's are the base's, and its policy's prompt is not among them.
        assert ours.post(TOKENS, json={**body, "model": "healthcare"}).json() == theirs.post(TOKENS, json=body).json()
    tokens = {"model": "base", "tokens": [1, 2, 3, 999]}
    assert ours.post(NO_TOKENS, json=tokens).json() == theirs.post(NO_TOKENS, json=tokens).json()


def test_cards_have_the_lineage_that_vllms_have(both: tuple[httpx.Client, httpx.Client]) -> None:
    ours, theirs = both
    here = {card["id"]: card for card in ours.get("/v1/models").json()["data"]}
    there = theirs.get("/v1/models").json()["data"]
    base = next(card for card in there if card["id"] == "base")
    adapter = next(card for card in there if card["id"] != "base")
    # vLLM's `root` is a folder and `owned_by` always vllm; permissions nobody reads.
    for mine, its in ((here["base"], base), (here["healthcare/triage"], adapter)):
        assert mine.keys() == its.keys() - {"permission"}
        assert (mine["object"], mine["parent"]) == (its["object"], its["parent"])
        assert isinstance(mine["created"], int)
        assert "/" not in mine["id"] or mine["root"].startswith(mine["id"])
    assert here["base"]["max_model_len"] == base["max_model_len"]
    # Of an adapter vLLM does not say it.
    assert adapter["max_model_len"] is None
    assert here["healthcare/triage"]["max_model_len"] == base["max_model_len"]


def test_health_ping_and_version_answer_without_a_key(served: Served, both: tuple[httpx.Client, httpx.Client]) -> None:
    _, theirs = both
    for path in ("/health", "/ping"):
        assert httpx.get(f"{served.url}{path}").status_code == theirs.get(path).status_code == 200
    version = theirs.get("/version").json()["version"].partition("+")[0]
    assert httpx.get(f"{served.url}/version").json()["version"] == version
