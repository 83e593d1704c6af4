"""A fake engine that streams at a pace and says what it got: ``python -m tests.benchmarks.echo PORT PACE WORDS``."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import uvicorn

from tests.fakes.vllm import FakeVLLM, Reply


def main(port: str, pace: str, words: str) -> None:
    """Serve until ended; ``pace`` is in seconds a token."""

    def reply(body: dict[str, Any]) -> Reply:
        """The name of the weights, hashed so that nobody on the way renames it, then the system prompt, then more."""
        mark = hashlib.sha256(body["model"].encode()).hexdigest()[:12]
        prompt = next((message["content"] for message in body["messages"] if message["role"] == "system"), "none")
        said = [mark, prompt, *(["and"] * int(words))]
        return Reply(" ".join(said), tokens=[f"{word} " for word in said])

    engine = FakeVLLM(reply=reply, pace_seconds=float(pace))
    uvicorn.run(engine, port=int(port), log_level="critical", lifespan="off", ws="none", loop="uvloop")


if __name__ == "__main__":
    main(*sys.argv[1:])
