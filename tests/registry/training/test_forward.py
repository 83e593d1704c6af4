"""Batches that share a beginning, and lower layers that are run once, compute what one plain pass computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from postil.registry.errors import BaseModelError
from postil.registry.training.model import load_base
from postil.registry.training.options import TrainOptions
from postil.registry.training.train import train

pytestmark = pytest.mark.tune

SHARED, ROWS = [5, 6, 7], [[8, 9], [10, 11, 12, 13], [14]]


@pytest.fixture
def model(tiny_base: Path) -> Any:
    """The tiny model."""
    return load_base(tiny_base, seed=0)[0].eval()


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("shared", [SHARED, []])
def test_the_states_are_those_of_a_plain_pass(model: Any, first: int, shared: list[int]) -> None:
    import torch

    from postil.registry.training.forward import Lower, run

    lower = Lower(model, first, shared)
    with torch.inference_mode():
        for _ in range(2):  # The second time, the lower layers are remembered.
            states = lower.states(ROWS, [True] * len(ROWS))
            with lower.upper() as decoder:
                seen = run(decoder, lower.shared, states).states
            for row, last in zip(ROWS, seen, strict=True):
                plain = model.model(torch.tensor([[*shared, *row]])).last_hidden_state[0]
                assert torch.allclose(last[-len(row) :], plain[len(shared) :], atol=1e-4)


def test_only_texts_that_come_again_are_kept_and_no_more_than_there_is_room_for(model: Any) -> None:
    from postil.registry.training.forward import Lower

    def kept(room: int, lasting: list[bool]) -> int:
        lower, passes = Lower(model, 1, SHARED, room), 0
        again = lower._states
        first = lower.states(ROWS, lasting)

        def counted(rows: Any, prefixed: bool) -> Any:
            nonlocal passes
            passes += len(rows)
            return again(rows, prefixed)

        lower._states = counted  # type: ignore[method-assign]
        for _ in range(3):  # Noise upon noise takes no more.
            for one, other in zip(first, lower.states(ROWS, lasting), strict=True):
                assert one.allclose(other, atol=1e-5)
        return len(ROWS) - passes // 3

    row = 32 * 4
    assert kept(7 * row, [True] * 3) == 3
    assert kept(4 * row, [False, True, False]) == 1
    assert kept(2 * row, [False] * 3) == 0
    assert kept(2 * row, [True, False, False]) == 1
    assert kept(0, [True] * 3) == 0


def test_layers_that_are_left_alone_have_no_part_in_the_adapter(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    from safetensors import safe_open

    options = TrainOptions(
        data=data[0], validation=data[1], base=tiny_base, out=tmp_path / "out", first_layer=1, half=True, epochs=1
    )
    train(options)
    again = train(options.model_copy(update={"overwrite": True, "seed": 1}))
    with safe_open(options.out / "adapter_model.safetensors", framework="numpy") as tensors:
        names = list(tensors.keys())
        kinds = {tensors.get_slice(name).get_dtype() for name in names}
    assert {name.split(".layers.")[1].split(".")[0] for name in names} == {"1"}
    assert kinds == {"F16"}
    assert json.loads((options.out / "training.json").read_text())["options"]["seed"] == again.options["seed"] == 1


def test_a_base_that_is_damaged_is_refused_in_one_sentence(tiny_base: Path) -> None:
    (tiny_base / "config.json").write_text("{")
    with pytest.raises(BaseModelError, match=r"cannot be loaded .*; fetch the base again") as refusal:
        load_base(tiny_base, seed=0)
    assert "\n" not in str(refusal.value)


def test_a_base_without_a_chat_template_is_refused(tiny_base: Path) -> None:
    for path in tiny_base.glob("chat_template*"):
        path.unlink()
    config = json.loads((tiny_base / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (tiny_base / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(BaseModelError, match="no chat template; use an instruction-tuned base"):
        load_base(tiny_base, seed=0)
