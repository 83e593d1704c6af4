from __future__ import annotations

from pathlib import Path

import pytest

from postil.registry.errors import BaseModelError
from postil.registry.training.model import load_base
from postil.registry.training.train import train
from tests.registry.training.test_train import options

pytestmark = pytest.mark.tune


def test_a_gpu_that_is_wanted_and_not_there_is_said(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(BaseModelError, match="torch sees no GPU here"):
        load_base(tiny_base, 0, "cuda")


def test_a_folder_without_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"is not a model folder; name one with config\.json"):
        load_base(tmp_path, 0)


def test_a_base_in_16_bits_is_taught_by_an_adapter_in_32(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    from safetensors import safe_open

    report = train(options(tiny_base, data, tmp_path / "out", epochs=1, first_layer=1, dtype="bfloat16"))
    assert report.accuracy > report.base_metrics.accuracy
    with safe_open(tmp_path / "out" / "adapter_model.safetensors", framework="numpy") as tensors:
        assert {tensors.get_slice(name).get_dtype() for name in tensors.keys()} == {"F32"}  # noqa: SIM118
