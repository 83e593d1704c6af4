"""What postil's LoRA products use of vLLM's, and whether this vLLM has it. Looked at where vLLM has imported it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

SUPPORTED = "0.32"
# By name, with the parameters that are passed or overridden.
OF_ITS_CLASS: Mapping[str, tuple[str, ...]] = {
    "_update_base_metadata": (),
    "add_lora_embedding": ("y", "x", "lora_b_stacked", "add_inputs"),
    "add_lora_linear": ("y", "x", "lora_a_stacked", "lora_b_stacked", "scale", "output_slices", "buffer"),
    "add_lora_logits": ("y", "x", "lora_a_stacked", "lora_b_stacked", "scale", "buffer"),
    "sampler_indices": (),
    "token_lora_indices": (),
}
OF_ITS_OBJECTS = ("indices_len",)


def missing(own: type, wrapper: object) -> str | None:
    """What ``own``, vLLM's class, or ``wrapper``, an object of it, lacks, in words; None if it is all there."""
    for name, takes in OF_ITS_CLASS.items():
        if not hasattr(own, name):
            return f"{own.__name__}.{name}"
        known = inspect.signature(getattr(own, name)).parameters if takes else {}
        if gone := [parameter for parameter in takes if parameter not in known]:
            return f"{own.__name__}.{name} with the parameter {gone[0]}"
    return next((f"{own.__name__}.{name}" for name in OF_ITS_OBJECTS if not hasattr(wrapper, name)), None)


def sentence(version: str, lacks: str) -> str:
    """One line for the engine's log."""
    return (
        f"vLLM's own LoRA operations stay in place: vLLM {version} has no {lacks}, which postil's need;"
        f" they are made for vLLM {SUPPORTED}"
    )
