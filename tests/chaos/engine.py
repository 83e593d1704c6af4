"""A fake vLLM that a gateway starts as its own child, and that goes wrong as files in a folder tell it.

``hang``: while it is there, nothing but ``/health`` is answered, and streams stand still. ``dies``: how many of the
next starts fail. ``slow``: how many seconds a start takes. Answers say which weights made them, under which system
prompt, and to what: whoever asked can tell an answer of another release, or to somebody else.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
import time
from pathlib import Path
from typing import Any

import uvicorn

from tests.fakes.hanging import Hanging
from tests.fakes.middleware import with_middleware
from tests.fakes.vllm import FakeVLLM, Reply

PACE_SECONDS = 0.01
WORDS = 12


def mark(name: str) -> str:
    """The weights' name as answers say it: hashed, so that nobody on the way puts another in its place."""
    return hashlib.sha256(name.encode()).hexdigest()[:12]


def reply(body: dict[str, Any]) -> Reply:
    """The weights, the system prompt, what was asked, some words, and the end."""
    messages = body["messages"]
    prompt = next((message["content"] for message in messages if message["role"] == "system"), "none")
    said = [mark(body["model"]), prompt, messages[-1]["content"], *(["and"] * WORDS), "end"]
    return Reply(" ".join(said), tokens=[f"{word} " for word in said])


def main(arguments: list[str]) -> None:
    """Serve as vLLM's own command line says, as badly as the folder after ``--chaos`` says."""
    given = dict(itertools.pairwise(arguments))
    folder = Path(given["--chaos"])
    dies, slow = folder / "dies", folder / "slow"
    if dies.exists() and (left := int(dies.read_text())) > 0:
        dies.write_text(str(left - 1))
        sys.exit("RuntimeError: Error: this start was to fail")
    if slow.exists():
        time.sleep(float(slow.read_text()))
    hanging = Hanging(FakeVLLM(reply=reply, pace_seconds=PACE_SECONDS), folder / "hang")
    engine = with_middleware(hanging, arguments)
    uvicorn.run(engine, uds=given["--uds"], log_level="critical", lifespan="off", ws="none", loop="uvloop")
