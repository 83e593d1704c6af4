"""LiteLLM's SDK."""

import json

import litellm
from report import FREE, KEY, LABELS, OPENAI_URL, TEXT, URL, categorised, run, worded

MESSAGES = [{"role": "user", "content": TEXT}]


def ask(model: str, **more: object) -> object:
    return litellm.completion(model=f"openai/{model}", api_base=OPENAI_URL, api_key=KEY, messages=MESSAGES, **more)


def stream() -> object:
    chunks = ask(FREE, stream=True, max_tokens=16)
    return worded("".join(chunk.choices[0].delta.content or "" for chunk in chunks))


def claude() -> object:
    answer = litellm.completion(
        model=f"anthropic/{LABELS}", api_base=URL, api_key=KEY, messages=MESSAGES, max_tokens=32
    )
    return categorised(json.loads(answer.choices[0].message.content))


run(
    {
        "chat": lambda: categorised(json.loads(ask(LABELS).choices[0].message.content)),
        "chat, streamed": stream,
        "messages": claude,
    }
)
