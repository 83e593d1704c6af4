"""What ``postil train`` says where the memory is short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from postil.gateway.cli.commands.train import advised, explained
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.options import TrainOptions

FILES: dict[str, Any] = {name: Path(name) for name in ("data", "validation", "base", "out")}


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        (MethodOptions(**FILES), MemoryError(), "more --accumulation"),
        (MethodOptions(**FILES), RuntimeError("not enough memory: you tried"), "more --accumulation"),
        (MethodOptions(**FILES), RuntimeError("a shape"), "torch gave up: a shape"),
        (TrainOptions(**FILES), MemoryError(), "a later --first-layer"),
    ],
)
def test_where_the_memory_is_short_only_options_of_the_method_are_advised(
    options: TrainOptions, error: Exception, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit), explained(), advised(options):
        raise error
    told = capsys.readouterr().err.replace("\n", " ")
    assert says in told
    assert ("--first-layer" in told) == (says == "a later --first-layer")
