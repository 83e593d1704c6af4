"""A GGUF file becomes a folder that any loader takes for a model that never was anything else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from postil.registry.base_model.convert import convert
from tests.fakes.gguf import write_gguf


@pytest.mark.tune
def test_its_weights_are_plain_numbers_as_they_were(tmp_path: Path) -> None:
    convert(write_gguf(tmp_path / "tiny.gguf"), tmp_path / "model")
    weights = load_file(tmp_path / "model" / "model.safetensors")
    config = json.loads((tmp_path / "model" / "config.json").read_bytes())
    assert {weight.dtype for weight in weights.values()} == {np.dtype("float32")}
    assert weights["model.layers.0.mlp.up_proj.weight"].shape == (config["intermediate_size"], config["hidden_size"])
    assert "quantization_config" not in config
    assert (tmp_path / "model" / "tokenizer.json").is_file()
