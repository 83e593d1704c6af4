"""The shorter way through a wrapped layer comes to what vLLM's own way comes to."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from tests.gateway.engine.vllm_plugin.cases import INPUTS, Case

pytestmark = pytest.mark.tune
CASE = Case(slots=4, max_rank=16, widths=(16, 48, 5), ranks={0: 8, 1: 4, 3: 8}, seed=1, dtype="float32")


def wrapped(vllm_layers: ModuleType, rows: list[int], *, plain: bool = False) -> Any:
    return vllm_layers.Wrapped(vllm_layers.Layer(CASE), vllm_layers.wrapper(CASE.slots, rows, plain=plain))


@pytest.mark.parametrize("rows", [[-1] * 5, [0, 1, 3, -1, 0], [1] * 5])
@pytest.mark.parametrize("bias", [True, False])
def test_answers_are_the_same(vllm_layers: ModuleType, rows: list[int], bias: bool) -> None:
    import torch

    layer = wrapped(vllm_layers, rows)
    layer.base_layer.return_bias = bias
    x = torch.randn(len(rows), INPUTS)
    found, wanted = layer.shorter(x), layer(x)
    if bias:
        (found, its), (wanted, other) = found, wanted
        assert its is other
    torch.testing.assert_close(found, wanted)


def test_a_batch_without_adapters_calls_the_layer_that_is_wrapped_and_no_more(vllm_layers: ModuleType) -> None:
    import torch

    layer = wrapped(vllm_layers, [-1] * 3)
    layer.forward = layer.lora_a_stacked = None
    x = torch.randn(3, INPUTS)
    assert layer.shorter(x).equal(layer.base_layer.forward(x))


@pytest.mark.parametrize("reason", ["vLLM's operations", "they take over", "part of a layer", "three dimensions"])
def test_what_it_does_not_know_goes_vllms_own_way(vllm_layers: ModuleType, reason: str) -> None:
    import torch

    layer = wrapped(vllm_layers, [0, 1, 3], plain=reason == "vLLM's operations")
    layer.punica_wrapper.plain = reason == "they take over"
    layer.tp_size = 2 if reason == "part of a layer" else 1
    x = torch.randn((1, 3, INPUTS) if reason == "three dimensions" else (3, INPUTS))
    layer.base_layer = None
    layer.longer = lambda x: "vLLM's own"
    assert layer.shorter(x) == "vLLM's own"


def test_vllms_classes_are_changed_once(vllm_layers: ModuleType) -> None:
    from vllm.lora.layers import MergedQKVParallelLinearWithLoRA, RowParallelLinearWithLoRA

    vllm_layers.wrapper()
    before = [kind.forward for kind in (MergedQKVParallelLinearWithLoRA, RowParallelLinearWithLoRA)]
    vllm_layers.wrapper()
    assert [kind.forward for kind in (MergedQKVParallelLinearWithLoRA, RowParallelLinearWithLoRA)] == before
    assert all(forward.postil for forward in before)
