from __future__ import annotations

from pathlib import Path

import pytest

from postil.registry.errors import BaseModelError
from postil.registry.training.model import load_base

pytestmark = pytest.mark.tune


def test_a_gpu_that_is_wanted_and_not_there_is_said(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(BaseModelError, match="torch sees no GPU here"):
        load_base(tiny_base, 0, "cuda")


def test_a_folder_without_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"is not a model folder; name one with config\.json"):
        load_base(tmp_path, 0)
