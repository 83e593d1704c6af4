"""Writes what was trained as an adapter that can be published. Imports torch, so only training imports it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from peft import PeftModel
from safetensors.torch import load_file, save_file

from postil.registry.preflight.preflight import CONFIG, WEIGHTS
from postil.registry.training.methods.conversion import (
    approximate,
    bottleneck_loras,
    dora_changes,
    full_changes,
    write_lora,
)
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.model import load_base

AS_IT_IS = ("lora", "rslora")


def write_adapter(model: Any, options: MethodOptions, folder: Path) -> None:
    """Write the adapter of ``model`` to ``folder``: as it is, exactly as a LoRA, or as the nearest one."""
    if options.tune in AS_IT_IS:
        # The folder's path would say nothing on other machines.
        model.peft_config["default"].base_model_name_or_path = options.base_name
        model.save_pretrained(str(folder), selected_adapters=["default"], save_embedding_layers=False)
        return
    if options.tune == "bottleneck":
        write_lora(folder, bottleneck_loras(model), options.rank, options)
        return
    changes = dora_changes(model) if options.tune == "dora" else full_changes(model, _base(options), options)
    rank = options.convert_rank
    write_lora(folder, {name: approximate(change, rank) for name, change in changes}, rank, options)


def read_adapter(folder: Path, options: MethodOptions) -> Any:
    """Return the base with the adapter in ``folder``, as it will be served."""
    return PeftModel.from_pretrained(_base(options), str(folder))


def _base(options: MethodOptions) -> Any:
    return load_base(options.base, options.seed, options.device)[0]


def tidy(folder: Path, *, half: bool) -> None:
    """Sort what peft stores as a set, so that equal training gives equal bytes; ``half`` stores float16."""
    (folder / "README.md").unlink(missing_ok=True)
    values = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    values["target_modules"] = sorted(values["target_modules"])
    (folder / CONFIG).write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if half:
        tensors = {name: tensor.half() for name, tensor in load_file(folder / WEIGHTS).items()}
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
