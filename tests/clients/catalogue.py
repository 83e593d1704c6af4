"""The clients that are tried: what each is installed from, and the script that asks as its documentation does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Client:
    """One client: packages of PyPI, or of npm if its script is JavaScript."""

    name: str
    script: str
    packages: Sequence[str] = ()

    @property
    def in_javascript(self) -> bool:
        """Whether it runs with node."""
        return self.script.endswith(".mjs")


CLIENTS: Sequence[Client] = (
    Client("openai (Python)", "openai_python.py", ["openai"]),
    Client("openai (Node)", "openai_node.mjs", ["openai", "zod"]),
    Client("anthropic (Python)", "anthropic_python.py", ["anthropic"]),
    Client("anthropic (Node)", "anthropic_node.mjs", ["@anthropic-ai/sdk"]),
    Client("openai-agents", "openai_agents.py", ["openai-agents"]),
    Client("Vercel AI SDK, openai", "ai_sdk_openai.mjs", ["ai", "@ai-sdk/openai", "zod"]),
    Client("Vercel AI SDK, compatible", "ai_sdk_compatible.mjs", ["ai", "@ai-sdk/openai-compatible", "zod"]),
    Client("Vercel AI SDK, anthropic", "ai_sdk_anthropic.mjs", ["ai", "@ai-sdk/anthropic", "zod"]),
    Client("pydantic-ai", "pydantic_ai_openai.py", ["pydantic-ai-slim[openai]"]),
    Client("pydantic-ai, anthropic", "pydantic_ai_anthropic.py", ["pydantic-ai-slim[anthropic]"]),
    Client("instructor", "instructor_tools.py", ["instructor"]),
    Client("LangChain", "langchain_chat.py", ["langchain-openai"]),
    Client("LangChain, anthropic", "langchain_claude.py", ["langchain-anthropic"]),
    Client("LangChain.js", "langchain_js.mjs", ["@langchain/openai", "@langchain/core", "zod"]),
    Client("LlamaIndex", "llama_index_like.py", ["llama-index-llms-openai-like"]),
    Client("LiteLLM", "litellm_sdk.py", ["litellm"]),
    Client("DSPy", "dspy_predict.py", ["dspy"]),
    Client("Haystack", "haystack_generator.py", ["haystack-ai"]),
    Client("smolagents", "smolagents_model.py", ["smolagents[openai]"]),
    Client("AutoGen", "autogen_client.py", ["autogen-ext[openai]", "autogen-core"]),
    Client("Semantic Kernel", "semantic_kernel_chat.py", ["semantic-kernel"]),
    Client("magentic", "magentic_prompt.py", ["magentic"]),
    Client("llm", "llm_command.py", ["llm"]),
    Client("curl", "curl.py"),
)
