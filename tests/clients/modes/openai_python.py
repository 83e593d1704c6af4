"""openai for Python."""

import json
from typing import Literal

from openai import OpenAI
from pydantic import BaseModel
from report import FREE, KEY, LABELS, OPENAI_URL, TEXT, categorised, run, worded

client = OpenAI(base_url=OPENAI_URL, api_key=KEY)
MESSAGES = [{"role": "user", "content": TEXT}]


class Triage(BaseModel):
    """What the answer is read into."""

    category: Literal["symptoms", "appointment", "billing", "needs_review"]


TOOL = {"name": "sort", "description": "Sorts the message", "parameters": Triage.model_json_schema()}


def models() -> object:
    names = [model.id for model in client.models.list()]
    assert LABELS in names
    return names


def chat() -> object:
    answer = client.chat.completions.create(model=LABELS, messages=MESSAGES)
    return categorised(json.loads(answer.choices[0].message.content))


def stream() -> object:
    chunks = client.chat.completions.create(model=LABELS, messages=MESSAGES, stream=True)
    return categorised(json.loads("".join(c.choices[0].delta.content or "" for c in chunks if c.choices)))


def text() -> object:
    answer = client.chat.completions.create(model=FREE, messages=MESSAGES, max_tokens=8)
    return worded(answer.choices[0].message.content)


def parse() -> object:
    answer = client.chat.completions.parse(model=LABELS, messages=MESSAGES, response_format=Triage)
    return categorised(answer.choices[0].message.parsed)


def tools() -> object:
    answer = client.chat.completions.create(
        model=LABELS, messages=MESSAGES, tools=[{"type": "function", "function": TOOL}]
    )
    return categorised(json.loads(answer.choices[0].message.tool_calls[0].function.arguments))


def responses() -> object:
    return categorised(json.loads(client.responses.create(model=LABELS, input=TEXT).output_text))


def responses_stream() -> object:
    with client.responses.stream(model=LABELS, input=TEXT) as events:
        for _ in events:
            pass
        return categorised(json.loads(events.get_final_response().output_text))


def responses_parse() -> object:
    return categorised(client.responses.parse(model=LABELS, input=TEXT, text_format=Triage).output_parsed)


run(
    {
        "models": models,
        "chat": chat,
        "chat, streamed": stream,
        "text": text,
        "structured output": parse,
        "tools": tools,
        "responses": responses,
        "responses, streamed": responses_stream,
        "responses, structured output": responses_parse,
    }
)
