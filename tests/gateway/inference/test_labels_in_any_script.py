"""Labels of other alphabets are said as they are written, in as few steps as others, and with a true confidence."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

import pytest

from tests.fakes.adapters import write_adapter
from tests.fakes.vllm import Reply
from tests.gateway.conftest import House
from tests.gateway.inference.test_label_prefill import begun

LABELS = ("Übelkeit", "症状咨询", "症状", "高血压门诊预约", "billing")
FIELD = "Kategorie ä"
POLICY = f"""
system_prompt: Sort the message.
sampling: {{max_tokens: 64}}
output: {{labels: [{", ".join(LABELS)}], field: {FIELD}}}
validators:
  - name: labels
  - name: confidence
    config: {{minimum: 0.5, field: {FIELD}}}
fallback:
  - name: fixed_answer
    config: {{content: '{{"{FIELD}": "unklar"}}'}}
"""
NAME = "healthcare/any"


def answer(label: str) -> str:
    return f'{{"{FIELD}": "{label}"}}'


def pieces(text: str) -> list[str]:
    """ASCII words and signs are a token each; of all else each byte is, and the text comes with the last of them."""
    found: list[str] = []
    for piece in re.findall(r"[A-Za-z]+|.", text):
        found += [piece] if piece.isascii() else [*[""] * (len(piece.encode()) - 1), piece]
    return found


def byte_template(body: dict[str, Any]) -> list[int]:
    """A chat template, and a tokenizer that knows no character beyond ASCII."""
    text = "".join(f"<{message['role']}>{message['content']}" for message in body["messages"])
    text += "<assistant>" if body["add_generation_prompt"] else ""
    parts = [part for piece in re.findall(r"[A-Za-z]+|.", text) for part in _parts(piece)]
    return [zlib.crc32(part) for part in parts]


def _parts(piece: str) -> list[bytes]:
    coded = piece.encode()
    return [coded] if piece.isascii() else [coded[at : at + 1] for at in range(len(coded))]


def says(house: House, label: str, logprob: float = -0.01) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        message = body["messages"][-1] if "messages" in body else {}
        told = message["content"] if body.get("continue_final_message") else ""
        rest = answer(label).removeprefix(told)
        return Reply(rest, logprob=logprob, tokens=pieces(rest))

    house.engine.reply = reply


@pytest.fixture
async def key(house: House) -> str:
    await house.publish(NAME, POLICY)
    return await house.tenant("clinic", "healthcare")


async def test_a_label_of_another_alphabet_is_said_as_it_is_written(house: House, key: str) -> None:
    for label in LABELS:
        says(house, label)
        answered = await house.ask(key)
        assert answered.json()["choices"][0]["message"]["content"] == answer(label)
    asked = house.engine.requests[-1]["structured_outputs"]["choice"]
    assert asked == [answer(each) for each in LABELS]
    assert not any("\\u" in each for each in asked)


async def test_it_is_told_by_one_request_to_the_engine_though_its_characters_take_several_tokens(
    house: House, key: str
) -> None:
    house.engine.template = byte_template
    await begun(house, key)
    for label in LABELS:
        says(house, label)
        before = len(house.engine.requests)
        answered = await house.ask(key)
        assert answered.json()["choices"][0]["message"]["content"] == answer(label)
        assert len(house.engine.requests) == before + 1
    asked = house.engine.requests[-1]
    assert asked["messages"][-1]["content"] == '{"Kategorie ä": "'
    assert asked["structured_outputs"]["choice"][0] == 'Übelkeit"}'
    assert asked["max_tokens"] == 9  # 症状咨询 is told from 症状 by its third character, and each has three bytes.


@pytest.mark.parametrize("generated", [True, False])
async def test_its_first_bytes_count_for_how_sure_the_model_is(house: House, key: str, generated: bool) -> None:
    """They are what decides, and the engine tells no text with them."""
    if not generated:
        house.engine.template = byte_template
    says(house, "高血压门诊预约", logprob=-0.3)
    answered = await begun(house, key)
    assert "confidence" in answered.headers["x-postil-fallback"]
    assert json.loads(answered.json()["choices"][0]["message"]["content"]) == {FIELD: "unklar"}


async def test_a_policy_whose_longest_label_has_no_room_is_refused_at_publish(house: House) -> None:
    house.engine.template = byte_template
    source = write_adapter(house.folder / "small")
    small = POLICY.replace("max_tokens: 64", "max_tokens: 5")
    refused = await house.upload(NAME, source, small)
    assert refused.status_code == 422, refused.text
    assert "tokens, and sampling.max_tokens is 5: no such answer could be whole; raise it" in refused.json()["detail"]
    assert (await house.upload(NAME, source, POLICY)).status_code == 201
