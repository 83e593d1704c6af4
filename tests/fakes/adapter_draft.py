"""An adapter in the making, for any base of Llama's build: made good, changed in one way, and then written."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from postil.registry.base_model.model import BaseModel, read_base

Array = npt.NDArray[Any]
# As safetensors names the type, and an array with the same number of bytes for each value.
Stored = tuple[str, Array]

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
ALL_LINEAR = (*ATTENTION, "gate_proj", "up_proj", "down_proj")
LLAMA_ID = "tiny/llama"
_SIZES = {"q_proj": (16, 16), "k_proj": (8, 16), "v_proj": (8, 16), "o_proj": (16, 16),
          "gate_proj": (32, 16), "up_proj": (32, 16), "down_proj": (16, 32)}  # fmt: skip
# Large enough that each adapter answers plainly otherwise than the base, small enough that it still writes words.
_SPREAD_A, _SPREAD_B = 1.0, 0.04


def write_llama(folder: Path, layers: int = 3) -> BaseModel:
    """A base of Llama's build and of a few kilobytes; its weights are all zero."""
    shapes = {"model.embed_tokens": (40, 16)}
    for layer in range(layers):
        for target, shape in _SIZES.items():
            shapes[f"model.layers.{layer}.{parent(target)}.{target}"] = shape
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"]}))
    stored = {f"{name}.weight": ("F32", np.zeros(shape, "<f4")) for name, shape in shapes.items()}
    write_safetensors(folder / "model.safetensors", stored)
    return read_base(folder, LLAMA_ID)


def parent(target: str) -> str:
    """The block of a layer that a linear module belongs to."""
    return "self_attn" if target in ATTENTION else "mlp"


def config_of_peft(rank: int, alpha: float, targets: Iterable[str], base_id: str) -> dict[str, Any]:
    """The configuration as PEFT 0.21 writes it, every option included."""
    return {
        "alora_invocation_tokens": None, "alpha_pattern": {}, "arrow_config": None, "auto_mapping": None,
        "base_model_name_or_path": base_id, "bias": "none", "corda_config": None, "ensure_weight_tying": False,
        "eva_config": None, "exclude_modules": None, "fan_in_fan_out": False, "inference_mode": True,
        "init_lora_weights": True, "kasa_config": None, "layer_replication": None, "layers_pattern": None,
        "layers_to_transform": None, "loftq_config": {}, "lora_alpha": alpha, "lora_bias": False,
        "lora_dropout": 0.0, "lora_ga_config": None, "megatron_config": None, "megatron_core": "megatron.core",
        "modules_to_save": None, "monteclora_config": None, "peft_type": "LORA", "peft_version": "0.21.2",
        "qalora_group_size": 16, "r": rank, "rank_pattern": {}, "revision": None,
        "target_modules": list(targets), "target_parameters": None, "task_type": "CAUSAL_LM",
        "trainable_token_indices": None, "use_bdlora": None, "use_dora": False, "use_qalora": False,
        "use_rslora": False, "velora_config": None,
    }  # fmt: skip


class Draft:
    """A good adapter of rank 4 on ``q_proj`` and ``v_proj`` of every layer, until somebody changes it."""

    def __init__(self, base: BaseModel) -> None:
        self.base = base
        self.config = config_of_peft(4, 8, (), base.id)
        self.metadata: dict[str, str] | None = {"format": "pt"}
        self.tensors: dict[str, Stored] = {}
        self._last: list[Callable[[Path], object]] = []
        self.train("q_proj", "v_proj")

    def train(self, *targets: str, rank: int = 4, dtype: str = "F32", layers: Iterable[int] | None = None) -> None:
        """Put other weights in the place of all: of these modules, this rank, in these layers (or all)."""
        self.config |= {"r": rank, "target_modules": list(targets)}
        chosen = set(range(self.layers) if layers is None else layers)
        self.tensors = {}
        for layer in sorted(chosen):
            for target in targets:
                self.add(f"model.layers.{layer}.{parent(target)}.{target}", rank, dtype)

    @property
    def layers(self) -> int:
        """How many layers the base has."""
        return sum(module.endswith(".q_proj") for module in self.base.modules)

    @property
    def first(self) -> str:
        """The first module that is changed."""
        return next(iter(self.tensors)).removeprefix(PREFIX).partition(".lora_")[0]

    def add(self, module: str, rank: int = 4, dtype: str = "F32") -> None:
        """The two tensors of a module, of the shapes that the base asks for (or its ``q_proj``, if it has no such)."""
        modules = self.base.modules
        features_out, features_in = modules.get(module) or modules["model.layers.0.self_attn.q_proj"]
        for part, shape, spread in (
            ("lora_A", (rank, features_in), _SPREAD_A / math.sqrt(features_in)),
            ("lora_B", (features_out, rank), _SPREAD_B),
        ):
            self.tensors[f"{PREFIX}{module}.{part}.weight"] = stored(_chance(len(self.tensors), shape) * spread, dtype)

    def put(self, name: str, array: Array, dtype: str = "F32") -> None:
        """One more tensor, of any name after the prefix that all have."""
        self.tensors[PREFIX + name] = stored(array, dtype)

    def reshape(self, part: str, act: Callable[[Array], Array]) -> None:
        """Another array in the place of one of the first module's two."""
        name = f"{PREFIX}{self.first}.{part}.weight"
        self.tensors[name] = stored(act(self.tensors[name][1]), "F32")

    def each(self, act: Callable[[Array], Array], part: str = "lora_") -> None:
        """Another array in the place of each, or of each A or B."""
        for name, (dtype, array) in self.tensors.items():
            if part in name:
                self.tensors[name] = stored(act(array), dtype)

    def spoil(self, value: float) -> None:
        """One wrong value at the very end of the last tensor."""
        list(self.tensors.values())[-1][1][-1, -1] = value

    def rename(self, old: str, new: str) -> None:
        """Another text in the names of all tensors."""
        self.tensors = {name.replace(old, new): tensor for name, tensor in self.tensors.items()}

    def drop(self, text: str) -> None:
        """Leave out all tensors whose name contains ``text``."""
        self.tensors = {name: tensor for name, tensor in self.tensors.items() if text not in name}

    def last(self, act: Callable[[Path], object]) -> None:
        """Do something to the folder after it was written."""
        self._last.append(act)

    def write(self, folder: Path) -> Path:
        """Make the folder."""
        folder.mkdir(parents=True)
        (folder / CONFIG).write_text(json.dumps(self.config))
        write_safetensors(folder / WEIGHTS, self.tensors, self.metadata)
        for act in self._last:
            act(folder)
        return folder


@cache
def _chance(seed: int, shape: tuple[int, int]) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


@dataclass(frozen=True, slots=True)
class Case:
    """One adapter: how it differs from a good one, and what preflight says to it."""

    name: str
    change: Callable[[Draft], object]
    # What was found, what is allowed, what to do, as the refusal says it; nothing for an adapter that is taken.
    says: tuple[str, str, str] | None = None
    # Why preflight refuses it although the engine takes it.
    stricter: str = ""

    def write(self, folder: Path, base: BaseModel) -> Path:
        """Make the folder of this adapter for a base."""
        draft = Draft(base)
        self.change(draft)
        return draft.write(folder)


def good(name: str, change: Callable[[Draft], object]) -> Case:
    """An adapter that is taken."""
    return Case(name, change)


def bad(
    name: str, change: Callable[[Draft], object], found: str, allowed: str, remedy: str, *, stricter: str = ""
) -> Case:
    """An adapter that is refused."""
    return Case(name, change, (found, allowed, remedy), stricter)


def stored(array: Array, dtype: str) -> Stored:
    """An array as a type of safetensors; numpy has no BF16 and no F8, so those are cut out of wider ones."""
    if dtype == "BF16":
        return dtype, (array.astype("<f4").view("<u4") >> 16).astype("<u2")
    if dtype == "F8_E5M2":
        return dtype, (array.astype("<f2").view("<u2") >> 8).astype("u1")
    kinds = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "I8": "i1", "I32": "<i4", "BOOL": "?"}
    return dtype, np.ascontiguousarray(array).astype(kinds[dtype]).reshape(array.shape)


def write_safetensors(path: Path, tensors: Mapping[str, Stored], metadata: Mapping[str, str] | None = None) -> None:
    """A safetensors file, made by hand, so that any type and any name can be in it."""
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    data = bytearray()
    for name, (dtype, array) in tensors.items():
        begin = len(data)
        data += array.tobytes()
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [begin, len(data)]}
    write_raw(path, json.dumps(header).encode(), bytes(data))


def write_raw(path: Path, header: bytes, data: bytes) -> None:
    """A safetensors file with this header, true or not."""
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)


def read_raw(path: Path) -> tuple[bytes, bytes]:
    """The header and the data of a safetensors file."""
    content = path.read_bytes()
    end = 8 + struct.unpack("<Q", content[:8])[0]
    return content[8:end], content[end:]
