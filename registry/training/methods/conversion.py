"""Writes what another way of tuning changed as a plain LoRA. Imports torch, so only training imports it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from peft.tuners.lora.layer import LoraLayer
from safetensors.torch import save_file
from torch import Tensor

from postil.registry.preflight.preflight import CONFIG, WEIGHTS
from postil.registry.training.methods.modules import Bottleneck, linears
from postil.registry.training.methods.options import MethodOptions

Lora = tuple[Tensor, Tensor]


def bottleneck_loras(model: Any) -> dict[str, Lora]:
    """Return A and B of each module with a bottleneck after it: exact."""
    return {name: module.as_lora() for name, module in model.named_modules() if isinstance(module, Bottleneck)}


def full_changes(model: Any, base: Any, options: MethodOptions) -> Iterator[tuple[str, Tensor]]:
    """Give what training changed in each linear module."""
    before = dict(linears(base, options.targets))
    for name, module in linears(model, options.targets):
        yield name, module.weight.detach() - before[name].weight.detach()


def dora_changes(model: Any) -> Iterator[tuple[str, Tensor]]:
    """Give what a DoRA changes in each module: merged minus base, magnitude included.

    PEFT's own ``convert_to_lora`` takes B times A alone and drops the magnitude.
    """
    for name, module in model.get_base_model().named_modules():
        if isinstance(module, LoraLayer):
            layer: Any = module
            before = layer.get_base_layer().weight.detach().clone()
            layer.merge()
            change = layer.get_base_layer().weight.detach() - before
            layer.unmerge()
            layer.get_base_layer().weight.data.copy_(before)  # To the bit.
            yield name, change


def approximate(change: Tensor, rank: int) -> Lora:
    """Return A and B of the given rank nearest to ``change`` (its largest singular values)."""
    left, values, right = torch.linalg.svd(change.float(), full_matrices=False)
    kept = min(rank, len(values))
    root = values[:kept].sqrt()
    a = change.new_zeros(rank, change.shape[1], dtype=torch.float32)
    b = change.new_zeros(change.shape[0], rank, dtype=torch.float32)
    a[:kept], b[:, :kept] = root[:, None] * right[:kept], left[:, :kept] * root
    return a, b


def write_lora(folder: Path, loras: Mapping[str, Lora], rank: int, options: MethodOptions) -> None:
    """Write ``loras`` as an adapter that is published like any other; their scale is 1."""
    folder.mkdir(parents=True)
    tensors = {
        f"base_model.model.{name}.lora_{part}.weight": tensor.contiguous().cpu()
        for name, pair in sorted(loras.items())
        for part, tensor in zip("AB", pair, strict=True)
    }
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config = {
        "base_model_name_or_path": options.base_name,
        "bias": "none",
        "inference_mode": True,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "peft_type": "LORA",
        "r": rank,
        "target_modules": sorted(options.targets),
        "task_type": "CAUSAL_LM",
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
