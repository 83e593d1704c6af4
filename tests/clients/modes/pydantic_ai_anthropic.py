"""pydantic-ai with Anthropic's messages."""

import json
from typing import Literal

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from report import KEY, LABELS, TEXT, URL, categorised, run

model = AnthropicModel(LABELS, provider=AnthropicProvider(base_url=URL, api_key=KEY))


class Triage(BaseModel):
    """What the answer is read into."""

    category: Literal["symptoms", "appointment", "billing", "needs_review"]


run(
    {
        "messages": lambda: categorised(json.loads(Agent(model).run_sync(TEXT).output)),
        "structured output": lambda: categorised(Agent(model, output_type=Triage).run_sync(TEXT).output),
    }
)
