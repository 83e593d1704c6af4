"""Haystack's OpenAIChatGenerator."""

import json

from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.utils import Secret
from report import KEY, LABELS, OPENAI_URL, TEXT, categorised, run

generator = OpenAIChatGenerator(model=LABELS, api_base_url=OPENAI_URL, api_key=Secret.from_token(KEY))


def chat() -> object:
    return categorised(json.loads(generator.run([ChatMessage.from_user(TEXT)])["replies"][0].text))


run({"chat": chat})
