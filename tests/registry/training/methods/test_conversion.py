"""What becomes of an answer when a change is written as a LoRA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postil.registry.training.errors import ShapeError
from postil.registry.training.methods.options import MethodOptions

pytestmark = pytest.mark.tune
TARGETS = ("q_proj", "down_proj")


def options(base: Path, **changes: Any) -> MethodOptions:
    files = {"data": base, "validation": base, "base": base, "out": base / "out", "base_id": "example/tiny"}
    return MethodOptions.model_validate({**files, "targets": TARGETS, "rank": 4, **changes})


def changed(base: Path, chosen: MethodOptions) -> Any:
    """A model tuned as chosen, with weights as if it had been trained for long."""
    import torch

    from postil.registry.training.methods.tunes import adapt
    from postil.registry.training.model import load_base

    model = adapt(load_base(base, 0)[0], chosen)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def logits(model: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(input_ids=torch.arange(4, 40)[None]).logits


def served(model: Any, chosen: MethodOptions, folder: Path) -> Any:
    from postil.registry.training.methods.result import read_adapter, write_adapter

    write_adapter(model, chosen, folder)
    return logits(read_adapter(folder, chosen))


@pytest.mark.parametrize(("tune", "rank"), [("bottleneck", 4), ("full", 64), ("dora", 64)])
def test_answers_are_the_same_where_the_conversion_is_exact_or_of_full_rank(
    tune: str, rank: int, tiny_base: Path, tmp_path: Path
) -> None:
    import torch

    chosen = options(tiny_base, tune=tune, convert_rank=rank)
    model = changed(tiny_base, chosen)
    before = logits(model)
    assert torch.allclose(served(model, chosen, tmp_path / "lora"), before, atol=1e-3)
    assert torch.equal(logits(model), before)
    from postil.registry.training.model import load_base

    assert not torch.allclose(logits(load_base(tiny_base, 0)[0].eval()), before, atol=0.1)


def test_one_bottleneck_and_its_lora_differ_by_rounding_alone() -> None:
    import torch

    from postil.registry.training.methods.modules import Bottleneck

    torch.manual_seed(0)
    module = Bottleneck(torch.nn.Linear(64, 48, bias=False), 8)
    torch.nn.init.normal_(module.up, std=0.1)
    a, b = module.as_lora()
    inputs = torch.randn(100, 64)
    assert torch.allclose(module(inputs), module.inner(inputs) + inputs @ a.T @ b.T, atol=1e-5)


def test_a_dora_keeps_its_magnitude_which_its_two_matrices_alone_would_lose(tiny_base: Path) -> None:
    import torch
    from peft.tuners.lora.layer import LoraLayer

    from postil.registry.training.methods.conversion import dora_changes

    model = changed(tiny_base, options(tiny_base, tune="dora"))
    ours = dict(dora_changes(model))
    for name, module in model.get_base_model().named_modules():
        if isinstance(module, LoraLayer):
            layer: Any = module
            magnitude = layer.lora_magnitude_vector["default"].weight.detach()
            base, alone = layer.get_base_layer().weight.detach(), layer.get_delta_weight("default").detach()
            whole = magnitude[:, None] * (base + alone) / (base + alone).norm(dim=1, keepdim=True)
            assert torch.allclose(ours[name], whole - base, atol=1e-5)
            assert not torch.allclose(ours[name], alone, atol=1e-2)


def test_a_lower_rank_loses_more(tiny_base: Path) -> None:
    import torch

    from postil.registry.training.methods.conversion import approximate

    torch.manual_seed(0)
    change = torch.randn(32, 64)
    lost = [float((change - b @ a).norm()) for a, b in (approximate(change, rank) for rank in (4, 16, 64))]
    assert lost[0] > lost[1] > lost[2]
    assert lost[2] == pytest.approx(0, abs=1e-3)


def test_a_module_with_a_bias_takes_no_bottleneck() -> None:
    import torch

    from postil.registry.training.methods.modules import add_bottlenecks

    with pytest.raises(ShapeError, match="q_proj has a bias, which no LoRA can hold"):
        add_bottlenecks(torch.nn.ModuleDict({"q_proj": torch.nn.Linear(4, 4)}), TARGETS, 2)
