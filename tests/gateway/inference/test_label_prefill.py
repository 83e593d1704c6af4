"""Label answers whose beginning is given to the model: the client gets what it would have got, in fewer steps."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from postil.gateway.engine.client import EngineClient
from postil.gateway.inference.formats import Kind
from postil.gateway.inference.label_prefill import LabelPrefixes
from postil.gateway.inference.request import CompletionRequest
from tests.fakes.vllm import Reply
from tests.gateway.conftest import TRIAGE, House, until

BEGINNING = '{"category": "'


def plain_template(body: dict[str, Any]) -> list[int]:
    """A chat template that lets answers be begun: words and signs, each a token."""
    return _tokens(body, "<answer>")


def thinking_template(body: dict[str, Any]) -> list[int]:
    """One that thinks before it answers, and not where an answer stands there already."""
    return _tokens(body, "<answer><think>" if body["add_generation_prompt"] else "<answer>")


def merging_template(body: dict[str, Any]) -> list[int]:
    """One whose tokenizer merges the quote with what comes after it."""
    return _tokens(body, "<answer>", r'"\w+|\w+|\W')


def _tokens(body: dict[str, Any], before_answer: str, pieces: str = r"\w+|\W") -> list[int]:
    text = ""
    for message in body["messages"]:
        text += (before_answer if message["role"] == "assistant" else f"<{message['role']}>") + message["content"]
    if body["add_generation_prompt"]:
        text += before_answer
    return [zlib.crc32(piece.encode()) for piece in re.findall(pieces, text)]


async def begun(house: House, key: str, **body: Any) -> httpx.Response:
    """Ask until answers are begun: that is found out beside the first requests."""
    learned = house.runtime.context.label_prefixes._known
    await house.ask(key)
    await until(lambda: not house.runtime.context.label_prefixes._asking)
    assert learned
    return await house.ask(key, **body)


async def test_an_answer_is_whole_though_the_model_said_only_its_end(house: House, clinic: str) -> None:
    house.engine.template = plain_template
    first = await house.ask(clinic)
    second = await begun(house, clinic)
    asked = house.engine.requests[-1]
    assert asked["messages"][-1] == {"role": "assistant", "content": BEGINNING}
    assert asked["structured_outputs"] == {"choice": ['symptoms"}', 'appointment"}', 'billing"}']}
    assert (asked["continue_final_message"], asked["add_generation_prompt"]) == (True, False)
    assert (asked["stop"], asked["include_stop_str_in_output"]) == (['"}'], True)
    assert second.json()["choices"] == first.json()["choices"]
    assert second.json()["choices"][0]["message"]["content"] == '{"category": "symptoms"}'


async def test_a_label_takes_one_token_where_the_first_tells_it(house: House, clinic: str) -> None:
    house.engine.template = plain_template
    answer = await begun(house, clinic)
    assert house.engine.requests[-1]["max_tokens"] == 1
    assert answer.json()["usage"]["completion_tokens"] == 1
    assert answer.json()["choices"][0]["finish_reason"] == "stop"


async def test_labels_that_begin_alike_take_as_many_tokens_as_tell_them_apart(house: House) -> None:
    house.engine.template = plain_template
    await house.publish("healthcare/alike", TRIAGE.replace("symptoms, ", "sore throat, sore knee, symptoms, "))
    key = await house.tenant("firm", "healthcare")
    house.engine.reply = lambda body: Reply('{"category": "sore knee"}')
    answer = await begun(house, key, model="healthcare/alike", n=2)
    assert house.engine.requests[-1]["max_tokens"] == 3  # sore, a space, and the word that differs.
    said = [choice["message"]["content"] for choice in answer.json()["choices"]]
    assert said == ['{"category": "sore knee"}'] * 2


async def test_a_label_that_another_begins_with_is_told_by_its_end(house: House) -> None:
    house.engine.template = plain_template
    await house.publish("healthcare/alike", TRIAGE.replace("symptoms, ", "'billing, old', symptoms, "))
    key = await house.tenant("firm", "healthcare")
    for label in ("billing", "billing, old"):
        house.engine.reply = lambda body, label=label: Reply(f'{{"category": "{label}"}}')  # type: ignore[misc]
        answer = await begun(house, key, model="healthcare/alike")
        assert answer.json()["choices"][0]["message"]["content"] == f'{{"category": "{label}"}}'
        assert house.engine.requests[-1]["max_tokens"] == 2


async def test_a_label_spelled_in_other_tokens_is_asked_for_to_its_end(house: House) -> None:
    house.engine.template = plain_template
    await house.publish("healthcare/alike", TRIAGE.replace("symptoms, ", "sore, sorry, symptoms, "))
    key = await house.tenant("firm", "healthcare")

    def in_pieces(body: dict[str, Any]) -> Reply:
        text = '{"category": "sorry"}'.removeprefix(body["messages"][-1]["content"] or "")
        return Reply(text, tokens=["so", text.removeprefix("so")] if text.startswith("so") else None, logprob=-0.125)

    house.engine.reply = in_pieces
    answer = (await begun(house, key, model="healthcare/alike")).json()
    first, second = house.engine.requests[-2:]
    assert (first["max_tokens"], first["structured_outputs"]["choice"][:2]) == (1, ['sore"}', 'sorry"}'])
    assert second["messages"][-1]["content"] == BEGINNING + "so"
    assert second["structured_outputs"] == {"choice": ['re"}', 'rry"}']}
    assert answer["choices"][0]["message"]["content"] == '{"category": "sorry"}'
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] == 1 + 3  # "so"; "rry", the quote and the brace.


@pytest.mark.parametrize("said", ["nonsense", ""], ids=["another", "nothing"])
async def test_what_is_no_beginning_of_a_label_is_judged_as_it_came(house: House, clinic: str, said: str) -> None:
    house.engine.template = plain_template
    house.engine.reply = lambda body: Reply(said)
    answer = await begun(house, clinic)
    assert answer.json()["choices"][0]["message"]["content"] == '{"category": "needs_review"}'
    assert "labels" in answer.headers["x-postil-fallback"]


async def test_how_sure_the_model_is_counts_as_before(house: House, clinic: str) -> None:
    house.engine.template = plain_template
    house.engine.reply = lambda body: Reply(logprob=-2.0)
    answer = await begun(house, clinic)
    assert "confidence" in answer.headers["x-postil-fallback"]
    assert answer.json()["choices"][0]["message"]["content"] == '{"category": "needs_review"}'


async def test_a_stream_gets_the_whole_answer_too(house: House, clinic: str) -> None:
    house.engine.template = plain_template
    answer = await begun(house, clinic, stream=True)
    assert house.engine.requests[-1]["continue_final_message"]
    assert r"{\"category\": \"symptoms\"}" in answer.text


@pytest.mark.parametrize("template", [None, thinking_template, merging_template], ids=["none", "thinks", "merges"])
async def test_where_template_or_tokenizer_do_not_go_along_all_is_generated(
    house: House, clinic: str, template: Any
) -> None:
    house.engine.template = template
    answer = await begun(house, clinic)
    assert "continue_final_message" not in house.engine.requests[-1]
    assert answer.json()["choices"][0]["message"]["content"] == '{"category": "symptoms"}'


@pytest.mark.parametrize(
    "body",
    [{"logprobs": True}, {"stop": ["x"]}, {"min_tokens": 9}, {"chat_template_kwargs": {"enable_thinking": True}},
     {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}],
    ids=lambda body: next(iter(body)),
)  # fmt: skip
async def test_a_request_that_means_something_else_of_half_an_answer_gets_a_generated_one(
    house: House, clinic: str, body: dict[str, Any]
) -> None:
    house.engine.template = plain_template
    await begun(house, clinic, **body)
    assert house.engine.requests[-1]["messages"][-1].get("content") != BEGINNING


async def test_a_label_that_holds_the_end_of_an_answer_is_generated_whole(house: House) -> None:
    house.engine.template = plain_template
    await house.publish("healthcare/odd", TRIAGE.replace("symptoms, ", "'a\"}b', symptoms, "))
    key = await house.tenant("firm", "healthcare")
    await begun(house, key, model="healthcare/odd")
    assert "continue_final_message" not in house.engine.requests[-1]


async def test_an_engine_that_was_started_again_is_asked_again(house: House, clinic: str) -> None:
    house.engine.template = plain_template
    await begun(house, clinic)
    house.runtime.context.label_prefixes.clear()
    house.engine.template = thinking_template
    await begun(house, clinic)
    assert "continue_final_message" not in house.engine.requests[-1]


async def test_an_engine_that_did_not_answer_that_question_is_asked_again(
    house: House, clinic: str, tmp_path: Path
) -> None:
    house.engine.template = plain_template
    openings, release = LabelPrefixes(), house.runtime.catalog.current.named("healthcare/triage")
    assert release is not None
    ask = CompletionRequest(Kind.CHAT, {"messages": [{"role": "user", "content": "hello"}]}, None, False, False)
    for client in (EngineClient(f"unix:{tmp_path / 'nobody'}", timeout_seconds=1), house.runtime.engine.client):
        assert openings.of(client, release, ask, ask.body) is None
        await until(lambda: not openings._asking)
    assert openings.of(house.runtime.engine.client, release, ask, ask.body) is not None
