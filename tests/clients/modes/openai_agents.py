"""openai-agents in its defaults: /v1/responses. What stands before a slash is a provider to it: name a domain."""

import json
import os
from typing import Literal

from report import KEY, OPENAI_URL, TEXT, categorised, run

os.environ |= {"OPENAI_BASE_URL": OPENAI_URL, "OPENAI_API_KEY": KEY, "OPENAI_AGENTS_DISABLE_TRACING": "1"}

from agents import Agent, Runner
from pydantic import BaseModel


class Triage(BaseModel):
    """What the answer is read into."""

    category: Literal["symptoms", "appointment", "billing", "needs_review"]


def agent() -> object:
    return categorised(json.loads(Runner.run_sync(Agent(name="triage", model="healthcare"), TEXT).final_output))


def typed() -> object:
    return categorised(Runner.run_sync(Agent(name="triage", model="healthcare", output_type=Triage), TEXT).final_output)


run({"agent": agent, "structured output": typed})
