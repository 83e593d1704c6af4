"""openai-agents in its defaults: /v1/responses."""

import json
import os
from typing import Literal

from report import FREE, KEY, LABELS, OPENAI_URL, TEXT, categorised, run, worded

os.environ |= {"OPENAI_BASE_URL": OPENAI_URL, "OPENAI_API_KEY": KEY, "OPENAI_AGENTS_DISABLE_TRACING": "1"}

from agents import Agent, ModelSettings, Runner
from pydantic import BaseModel


class Triage(BaseModel):
    """What the answer is read into."""

    category: Literal["symptoms", "appointment", "billing", "needs_review"]


def agent() -> object:
    return categorised(json.loads(Runner.run_sync(Agent(name="triage", model=LABELS), TEXT).final_output))


def typed() -> object:
    return categorised(Runner.run_sync(Agent(name="triage", model=LABELS, output_type=Triage), TEXT).final_output)


def text() -> object:
    talker = Agent(name="talker", model=FREE, model_settings=ModelSettings(max_tokens=16))
    return worded(Runner.run_sync(talker, TEXT).final_output)


run({"agent": agent, "structured output": typed, "text": text})
