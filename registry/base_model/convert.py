"""Convert a GGUF file into an ordinary model folder: ``python -m postil.registry.base_model.convert FILE FOLDER``.

Runs in a process of its own, so that whoever asks for it never imports torch.
"""

from __future__ import annotations

import sys
from pathlib import Path


def convert(gguf: Path, folder: Path) -> None:
    """De-quantise ``gguf`` to float32 and save config, tokenizer and safetensors in ``folder``."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # What is saved is plain float32: neither transformers nor vLLM may take it for a quantised model.
    model.hf_quantizer = None
    vars(model.config).pop("quantization_config", None)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
