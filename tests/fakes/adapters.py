"""A tiny base model and adapters for it, written without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

MODULES = {
    "model.layers.0.self_attn.q_proj": (8, 8),
    "model.layers.0.self_attn.v_proj": (4, 8),
}
BASE_ID = "tiny/base"


def write_base(folder: Path) -> Path:
    """A model folder with headers and weights that preflight can read."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"]}))
    weights = {f"{module}.weight": np.zeros(shape, np.float32) for module, shape in MODULES.items()}
    save_file(weights, folder / "model.safetensors")
    return folder


def write_adapter(folder: Path, *, seed: int = 0, rank: int = 2, **config: Any) -> Path:
    """A good adapter for the tiny base; another ``seed`` makes other weights."""
    folder.mkdir(parents=True)
    chance = np.random.default_rng(seed)
    tensors = {}
    for module, (features_out, features_in) in MODULES.items():
        for part, shape in (("lora_A", (rank, features_in)), ("lora_B", (features_out, rank))):
            tensors[f"base_model.model.{module}.{part}.weight"] = chance.normal(size=shape).astype(np.float32)
    save_file(tensors, folder / "adapter_model.safetensors")
    stated = {"peft_type": "LORA", "r": rank, "lora_alpha": 4, "target_modules": ["q_proj", "v_proj"], **config}
    (folder / "adapter_config.json").write_text(json.dumps(stated))
    return folder
