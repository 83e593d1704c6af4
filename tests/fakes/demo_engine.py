"""Stands in for the engine of the demo: ``python -m tests.fakes.demo_engine PORT``.

It labels a message by a word in it. What the documentation shows is tried with it; the trained adapters on the real
vLLM answer the demo's questions in ``tests/engine`` and ``tests/from_nothing.py``.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import uvicorn
from safetensors import safe_open

from tests.fakes.vllm import FakeVLLM, Reply
from tests.support.paths import ROOT

DEMO = ROOT / "deploy" / "demo"
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
LABELS = {
    "pain": "symptoms",
    "visit": "appointment",
    "invoice": "billing",
    "agreement": "termination",
    "card": "fraud",
}
# The logarithms of a token's probability where a word is known, and where none is.
SURE, UNSURE = -0.001, -1.5


def reply(body: dict[str, Any]) -> Reply:
    """Answer what a label adapter would: one of the labels, with a probability."""
    said = str([message["content"] for message in body.get("messages", []) if message["role"] == "user"])
    found = [label for word, label in LABELS.items() if word in said]
    return Reply(json.dumps({"category": found[0] if found else "billing"}), SURE if found else UNSURE)


def write_demo_base(folder: Path) -> Path:
    """Write a folder with the shapes of the demo's base model, and nothing but zeros in its weights."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    header: dict[str, Any] = {}
    end = 0
    for module, shape in sorted(_shapes(DEMO / "healthcare" / "triage" / "2" / "adapter_model.safetensors").items()):
        begin, end = end, end + 2 * math.prod(shape)
        header[f"{module}.weight"] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    head = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        file.truncate(8 + len(head) + end)
    return folder


def _shapes(adapter: Path) -> dict[str, list[int]]:
    """The shape of each module that an adapter changes: output features, input features."""
    found: dict[str, list[int]] = {}
    with safe_open(adapter, framework="numpy") as tensors:
        for name in tensors.keys():  # noqa: SIM118 - not a mapping
            module, _, part = name.removeprefix("base_model.model.").removesuffix(".weight").rpartition(".")
            at, size = (1, 1) if part == "lora_A" else (0, 0)
            found.setdefault(module, [0, 0])[at] = tensors.get_slice(name).get_shape()[size]
    return found


if __name__ == "__main__":
    uvicorn.run(FakeVLLM(reply=reply), port=int(sys.argv[1]), log_level="critical", lifespan="off", ws="none")
