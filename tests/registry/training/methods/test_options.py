"""Options of the methods, and their learning rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from postil.registry.training.methods.options import MethodOptions

FILES: dict[str, Any] = {name: Path(name) for name in ("data", "validation", "base", "out")}


def test_the_learning_rate_suits_the_method_unless_it_is_said() -> None:
    rates = [MethodOptions(**FILES, method=method, tune=tune).highest_rate for method, tune in
             (("sft", "lora"), ("sft", "full"), ("dpo", "lora"))]  # fmt: skip
    assert rates == [1e-3, 2e-4, 2e-4]
    assert MethodOptions(**FILES, learning_rate=5e-4).highest_rate == 5e-4


def test_what_only_the_fast_path_does_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"noise\n.*only --method classify does this"):
        MethodOptions(**FILES, noise=0.5)
