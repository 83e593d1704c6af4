"""Adapters for the tiny base, each wrong in one way: ``write`` and what it is given."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.fakes.adapters import MODULES

Array = npt.NDArray[Any]
Q_A = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
Q_B = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"
WEIGHTS = "adapter_model.safetensors"
_NAMES = {"float32": "F32", "float16": "F16", "float64": "F64", "int8": "I8"}


def good_tensors(rank: int = 2, dtype: str = "float32") -> dict[str, Array]:
    """The tensors of a good adapter."""
    found: dict[str, Array] = {}
    for module, (features_out, features_in) in MODULES.items():
        found[f"base_model.model.{module}.lora_A.weight"] = np.full((rank, features_in), 0.5, dtype)
        found[f"base_model.model.{module}.lora_B.weight"] = np.full((features_out, rank), 0.5, dtype)
    return found


def good_config(rank: int = 2) -> dict[str, Any]:
    """The configuration that PEFT writes for it, the options that postil looks at included."""
    return {
        "peft_type": "LORA", "r": rank, "lora_alpha": 4, "base_model_name_or_path": "tiny/base",
        "target_modules": ["q_proj", "v_proj"], "use_dora": False, "modules_to_save": None, "bias": "none",
        "rank_pattern": {}, "alpha_pattern": {}, "layer_replication": None, "lora_bias": False,
        "fan_in_fan_out": False, "trainable_token_indices": None, "use_rslora": False, "task_type": "CAUSAL_LM",
    }  # fmt: skip


def write(folder: Path, tensors: Mapping[str, Array], config: Mapping[str, Any]) -> Path:
    """An adapter folder of these tensors and this configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(config))
    write_tensors(folder / WEIGHTS, tensors)
    return folder


def write_tensors(path: Path, tensors: Mapping[str, Array], dtype: str | None = None) -> None:
    """A safetensors file, made by hand: numpy has no BF16, so ``dtype`` says what 16-bit integers stand for."""
    header, data = {}, b""
    for name, array in tensors.items():
        end = len(data) + array.nbytes
        kind = dtype or _NAMES[str(array.dtype)]
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [len(data), end]}
        data += array.tobytes()
    write_raw(path, header, data)


def write_raw(path: Path, header: Mapping[str, object], data: bytes) -> Path:
    """A safetensors file with this header, true or not."""
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def as_bfloat16(array: Array) -> Array:
    """The upper half of each 32-bit number, which is what BF16 is."""
    return (array.astype("<f4").view("<u4") >> 16).astype("<u2")
