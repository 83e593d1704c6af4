"""anthropic for Python."""

import json

from anthropic import Anthropic
from report import FREE, KEY, LABELS, TEXT, URL, categorised, run, worded

client = Anthropic(base_url=URL, api_key=KEY)
MESSAGES = [{"role": "user", "content": TEXT}]
TOOL = {
    "name": "sort",
    "description": "Sorts the message",
    "input_schema": {
        "type": "object",
        "properties": {"category": {"type": "string", "enum": ["symptoms", "appointment", "billing", "needs_review"]}},
        "required": ["category"],
    },
}


def messages() -> object:
    answer = client.messages.create(model=LABELS, max_tokens=32, messages=MESSAGES)
    return categorised(json.loads(answer.content[0].text))


def stream() -> object:
    with client.messages.stream(model=FREE, max_tokens=16, messages=MESSAGES) as events:
        return worded("".join(events.text_stream))


def tools() -> object:
    answer = client.messages.create(model=LABELS, max_tokens=32, messages=MESSAGES, tools=[TOOL])
    return categorised(next(block.input for block in answer.content if block.type == "tool_use"))


run({"messages": messages, "messages, streamed": stream, "tools": tools})
