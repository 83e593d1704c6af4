"""The room on the disk by way of tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postil.registry.base_model.model import BaseModel
from postil.registry.training.methods.disk import disk_bytes
from postil.registry.training.methods.options import MethodOptions

FILES: dict[str, Any] = {name: Path(name) for name in ("data", "validation", "base", "out")}
BASE = BaseModel("b", Path(), "sha256:0", {"layers.0.q_proj": (6, 10), "layers.1.q_proj": (6, 10), "lm_head": (99, 6)})


@pytest.mark.parametrize(
    ("given", "numbers"),
    [
        ({"rank": 2}, 9 * 2 * 32),
        ({"rank": 2, "tune": "bottleneck"}, 9 * 2 * 2 * 12),
        ({"rank": 2, "tune": "dora", "convert_rank": 3}, 9 * (2 * 32 + 12) + 3 * 32),
        ({"tune": "full", "convert_rank": 1}, 9 * 120 + 32),
        ({"tune": "full", "convert_rank": 1, "max_steps": 4, "eval_steps": 4}, 3 * 120 + 32),
        ({"tune": "full", "convert_rank": 1, "max_steps": 4, "eval_steps": 4, "save_steps": 2}, 9 * 120 + 32),
        ({"tune": "bitfit"}, 9 * 32),
    ],
)
def test_the_room_is_that_of_the_result_the_states_and_the_checkpoints(given: dict[str, Any], numbers: int) -> None:
    assert disk_bytes(MethodOptions(**FILES, targets=("q_proj",), **given), BASE) == 4 * numbers
