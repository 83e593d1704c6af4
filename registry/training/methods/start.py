"""The adapter that training goes on from: it has a shape already, whatever the flags would make anew."""

from __future__ import annotations

from typing import Any

from postil.registry.base_model.model import BaseModel
from postil.registry.preflight.adapter_config import read_config
from postil.registry.preflight.preflight import CONFIG, preflight
from postil.registry.training.errors import MethodError
from postil.registry.training.methods.options import MethodOptions

_LARGEST_RANK = 512


def as_started(options: MethodOptions, base: BaseModel) -> MethodOptions:
    """Return ``options`` with the shape of the adapter of ``--start``, if there is one.

    Raises MethodError where another shape was asked for, and PreflightError.
    """
    if options.start is None:
        return options
    if options.tune not in ("lora", "rslora"):
        raise MethodError("--start goes on with a LoRA; take --tune lora")
    info = preflight(options.start, base, _LARGEST_RANK)
    values = read_config(options.start / CONFIG, _LARGEST_RANK).values
    shape: dict[str, Any] = {
        "tune": "rslora" if values.get("use_rslora") else "lora",
        "rank": info.rank,
        "alpha": values.get("lora_alpha", 8),
        "dropout": values.get("lora_dropout", 0.0),
        "targets": info.targets,
    }
    for name in shape.keys() & options.model_fields_set:
        given, own = getattr(options, name), shape[name]
        if (set(given) != set(own)) if name == "targets" else (given != own):
            said = ",".join(own) if name == "targets" else own
            raise MethodError(
                f"--{name}: {options.start.name}, the adapter of --start, has {said} and keeps it; leave --{name} out"
            )
    return options.model_copy(update=shape)
