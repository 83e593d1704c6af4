"""Options that would do nothing are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postil.registry.training.errors import MethodError
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.methods.servability import METHODS, TUNES
from postil.registry.training.methods.used import check_used

FILES: dict[str, Any] = {name: Path(name) for name in ("data", "validation", "base", "out")}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"beta": 0.2}, "--beta: --method sft does not use it, only --method dpo or kto does; leave it out"),
        ({"method": "kto", "sft_weight": 1}, "--sft-weight: --method kto does not use it, only --method dpo does"),
        ({"convert_rank": 4}, "--convert-rank: --tune lora does not use it, only --tune dora or full does"),
        ({"virtual_tokens": 4}, "--virtual-tokens: --tune lora does not use it"),
        ({"tune": "full", "rank": 4}, "--rank: --tune full does not use it"),
        ({"tune": "ia3", "targets": ("q_proj",)}, "--targets: --tune ia3 does not use it"),
        ({"tune": "bottleneck", "alpha": 4}, "--alpha: --tune bottleneck does not use it"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused_with_what_takes_it(given: dict[str, Any], says: str) -> None:
    with pytest.raises(MethodError, match=says):
        check_used(MethodOptions(**FILES, **given))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("tune", TUNES)
def test_an_option_that_was_not_given_is_not_refused(method: str, tune: str) -> None:
    check_used(MethodOptions(**FILES, method=method, tune=tune))
