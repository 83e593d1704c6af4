"""Which modules an adapter may change is settled before the long work."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from postil.registry.base_model.model import BaseModel
from postil.registry.training.errors import ShapeError
from postil.registry.training.options import TrainOptions
from postil.registry.training.shape import check_shape

MODULES = {
    f"model.layers.{layer}.self_attn.{kind}_proj": shape
    for layer in range(3)
    for kind, shape in {"q": (8, 6), "v": (4, 6)}.items()
}
BASE = BaseModel("org/base", Path(), "r", MODULES | {"lm_head": (100, 6), "model.embed_tokens": (100, 6)})


def options(**changes: object) -> TrainOptions:
    return TrainOptions.model_validate({name: Path(name) for name in ("data", "validation", "base", "out")} | changes)


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({}, 4 * 8 * 3 * (8 + 6 + 4 + 6)),
        ({"targets": ("q_proj",), "rank": 2}, 4 * 2 * 3 * (8 + 6)),
        ({"targets": (" q_proj", "", "v_proj ")}, 4 * 8 * 3 * (8 + 6 + 4 + 6)),
        ({"targets": ("self_attn.v_proj",), "first_layer": 2}, 4 * 8 * (4 + 6)),
    ],
)
def test_the_size_of_the_weights_is_known(changes: dict[str, object], size: int) -> None:
    assert check_shape(options(**changes), BASE) == size


@pytest.mark.parametrize("target", ["nope", "lm_head", "embed_tokens", "proj", "model"])
def test_a_target_that_matches_nothing_in_a_layer_is_refused_with_those_there_are(target: str) -> None:
    with pytest.raises(ShapeError, match=f"--targets: '{target}' is no linear module .* it has q_proj, v_proj"):
        check_shape(options(targets=("q_proj", target)), BASE)


@pytest.mark.parametrize(("targets", "last"), [(("q_proj",), 2), (("layers.1.self_attn.q_proj",), 1)])
def test_a_first_layer_beyond_the_last_is_refused(targets: tuple[str, ...], last: int) -> None:
    check_shape(options(targets=targets, first_layer=last), BASE)
    with pytest.raises(ShapeError, match=f"--first-layer: .* is {last};"):
        check_shape(options(targets=targets, first_layer=last + 1), BASE)


def test_no_target_at_all_is_refused_and_the_bases_name_is_no_path() -> None:
    with pytest.raises(ValidationError, match="name at least one module"):
        options(targets=(" ", ""))
    assert (options().base_name, options(base_id="org/base").base_name) == ("base", "org/base")
