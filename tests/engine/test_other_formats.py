"""``/v1/responses`` and ``/v1/messages`` over the real vLLM, asked by their official clients."""

from __future__ import annotations

import json
from typing import Literal

import anthropic
import openai
import pytest
from pydantic import BaseModel

from tests.engine.conftest import Served

pytestmark = pytest.mark.engine
KEY, MODEL, ILL = "demo-clinic", "healthcare/triage", "My chest hurts since this morning"


class Answer(BaseModel):
    """A small object."""

    colour: Literal["red", "green"]


def test_responses_answer_stream_and_parse(served: Served) -> None:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=KEY, max_retries=0, timeout=300) as client:
        whole = client.responses.create(model=MODEL, input=ILL)
        assert whole.status == "completed"
        assert whole.usage is not None
        assert whole.usage.input_tokens > 10
        with client.responses.stream(model=MODEL, input=ILL) as stream:
            assert stream.get_final_response().output_text == whole.output_text
        assert set(json.loads(whole.output_text)) == {"category"}
        with client.responses.stream(model="base", input="Name a colour.", max_output_tokens=16) as stream:
            texts = [event.delta for event in stream if event.type == "response.output_text.delta"]
        assert "".join(texts)
        parsed = client.responses.parse(
            model="base", input="Name a colour as JSON.", text_format=Answer, max_output_tokens=64, temperature=0
        )
        assert parsed.output_parsed is not None


def test_messages_answer_stream_and_count(served: Served) -> None:
    asked: list[anthropic.types.MessageParam] = [{"role": "user", "content": ILL}]
    with anthropic.Anthropic(base_url=served.url, api_key=KEY, max_retries=0, timeout=300) as client:
        whole = client.messages.create(model=MODEL, max_tokens=64, messages=asked)
        (block,) = whole.content
        assert block.type == "text"
        assert set(json.loads(block.text)) == {"category"}
        with client.messages.stream(model=MODEL, max_tokens=64, messages=asked) as stream:
            final = stream.get_final_message()
        assert [one.text for one in final.content if one.type == "text"] == [block.text]
        assert client.messages.count_tokens(model=MODEL, messages=asked).input_tokens > 10
        with client.messages.stream(model="base", max_tokens=16, messages=asked, system="Be short.") as stream:
            assert "".join(stream.text_stream)
            final = stream.get_final_message()
        assert final.stop_reason in ("end_turn", "max_tokens")
        counted = client.messages.count_tokens(model="base", messages=asked, system="Be short.")
        assert counted.input_tokens == final.usage.input_tokens + (final.usage.cache_read_input_tokens or 0)
