"""Loads the base model and its tokenizer for training and evaluation. Imports torch only when called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from postil.registry.errors import BaseModelError
from postil.registry.training.options import Device, Precision


def load_base(folder: Path, seed: int, device: Device = "auto", dtype: Precision = "float32") -> tuple[Any, Any]:
    """Load model and tokenizer, after seeding the random generators. Raises BaseModelError.

    ``device`` auto selects a GPU if torch finds one.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from transformers.utils import logging

    logging.disable_progress_bar()
    set_seed(seed)
    if not (folder / "config.json").is_file():
        raise BaseModelError(f"{folder} is not a model folder; name one with config.json and safetensors")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, dtype), local_files_only=True, attn_implementation="eager"
        )
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise BaseModelError(f"{folder} cannot be loaded ({first}); fetch the base again") from error
    if not tokenizer.chat_template:
        raise BaseModelError(f"{folder} has no chat template; use an instruction-tuned base")
    if device == "cuda" and not torch.cuda.is_available():
        raise BaseModelError("torch sees no GPU here; leave --device out, or check the driver with nvidia-smi")
    return model.to("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"), tokenizer
