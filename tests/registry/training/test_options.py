"""Options of a training run, by whatever name."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from postil.registry.training.options import ALIASES, TrainOptions, own_name

FILES = {name: Path(name) for name in ("data", "validation", "base", "out")}


@pytest.mark.parametrize(
    ("name", "own"),
    [("lora-r", "rank"), ("num_train_epochs", "epochs"), ("batch-size", "batch_size"), ("nope", "nope")],
)
def test_a_name_of_another_library_is_an_option_of_postil(name: str, own: str) -> None:
    assert own_name(name) == own


def test_every_name_of_another_library_leads_to_an_option_and_is_none_itself() -> None:
    assert set(ALIASES.values()) <= set(TrainOptions.model_fields)
    assert set(ALIASES).isdisjoint(TrainOptions.model_fields)


@pytest.mark.parametrize("targets", ["q_proj, v_proj,", ["q_proj", "v_proj"], ("v_proj", "q_proj")])
def test_targets_are_a_list_or_a_text_with_commas(targets: object) -> None:
    assert set(TrainOptions.model_validate(FILES | {"targets": targets}).targets) == {"q_proj", "v_proj"}


def test_an_option_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValidationError, match="nope"):
        TrainOptions.model_validate(FILES | {"nope": 1})
