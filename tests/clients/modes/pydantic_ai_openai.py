"""pydantic-ai with OpenAI's chats, and with its responses; structured output by tools, as it does by itself."""

import json
from typing import Literal

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from report import KEY, LABELS, OPENAI_URL, TEXT, categorised, run

provider = OpenAIProvider(base_url=OPENAI_URL, api_key=KEY)
chats, responses = OpenAIChatModel(LABELS, provider=provider), OpenAIResponsesModel(LABELS, provider=provider)


class Triage(BaseModel):
    """What the answer is read into."""

    category: Literal["symptoms", "appointment", "billing", "needs_review"]


run(
    {
        "chat": lambda: categorised(json.loads(Agent(chats).run_sync(TEXT).output)),
        "structured output": lambda: categorised(Agent(chats, output_type=Triage).run_sync(TEXT).output),
        "responses": lambda: categorised(json.loads(Agent(responses).run_sync(TEXT).output)),
        "responses, structured output": lambda: categorised(Agent(responses, output_type=Triage).run_sync(TEXT).output),
    }
)
