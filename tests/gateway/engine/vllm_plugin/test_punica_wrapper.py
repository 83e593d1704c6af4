"""Staleness, isolation, and when vLLM's own operations are left to do it."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from tests.gateway.engine.vllm_plugin.cases import INPUTS, Case

pytestmark = pytest.mark.tune
OWN = "vllm.lora.punica_wrapper.punica_cpu."
CASE = Case(slots=4, max_rank=16, widths=(16, 48, 5), ranks={0: 8, 1: 4, 3: 8}, seed=1, dtype="float32")
ROWS = [3, -1, 0, 1, 1, 3]


def inputs(layer: Any, rows: int = len(ROWS)) -> tuple[Any, Any]:
    return layer.random(rows, INPUTS), layer.random(rows, sum(CASE.widths))


@pytest.fixture
def no_own(monkeypatch: pytest.MonkeyPatch, vllm_layers: ModuleType) -> None:
    """vLLM's own operations fail."""
    for name in ("sgmv_shrink", "sgmv_expand", "sgmv_expand_slice", "bgmv_shrink", "bgmv_expand", "bgmv_expand_slice"):
        monkeypatch.setattr(OWN + name, None)


@pytest.mark.usefixtures("no_own")
def test_does_it_without_vllms_own_operations(vllm_layers: ModuleType) -> None:
    layer = vllm_layers.Layer(CASE)
    x, y = inputs(layer)
    wrapper = vllm_layers.wrapper(CASE.slots, ROWS)
    assert layer.add(wrapper, y, x).allclose(layer.exact(y, x, ROWS, 1.0).float(), rtol=1e-4, atol=1e-3)
    wrapper.add_lora_logits(y[:, :16].clone(), x, layer.a[0], layer.b[0], 1.0)
    wrapper.add_lora_embedding(y[:, :16].clone(), layer.random(len(ROWS), 16), layer.b[0], add_input=True)


@pytest.mark.usefixtures("no_own")
def test_an_adapter_that_is_replaced_in_inference_mode_is_seen_at_once(vllm_layers: ModuleType) -> None:
    import torch

    layer = vllm_layers.Layer(CASE)
    x, y = inputs(layer)
    wrapper = vllm_layers.wrapper(CASE.slots, ROWS)
    with torch.inference_mode():
        before = layer.add(wrapper, y, x)
        layer.load(1, 12)
        after = layer.add(wrapper, y, x)
    assert not before.allclose(after)
    assert after.allclose(layer.exact(y, x, ROWS, 1.0).float(), rtol=1e-4, atol=1e-3)


@pytest.mark.usefixtures("no_own")
def test_one_weight_that_is_written_through_a_view_is_seen_at_once(vllm_layers: ModuleType) -> None:
    layer = vllm_layers.Layer(CASE)
    x, y = inputs(layer)
    wrapper = vllm_layers.wrapper(CASE.slots, ROWS)
    layer.add(wrapper, y, x)
    layer.b[2].view(-1)[CASE.max_rank * CASE.widths[2] : CASE.max_rank * CASE.widths[2] + 1] += 3
    assert layer.add(wrapper, y, x).allclose(layer.exact(y, x, ROWS, 1.0).float(), rtol=1e-4, atol=1e-3)


@pytest.mark.usefixtures("no_own")
def test_stacks_that_are_made_anew_are_not_taken_for_the_old_ones(vllm_layers: ModuleType) -> None:
    wrapper = vllm_layers.wrapper(CASE.slots, ROWS)
    for seed in range(20):
        layer = vllm_layers.Layer(Case(4, 16, CASE.widths, CASE.ranks, seed, "float32"))
        x, y = inputs(layer)
        assert layer.add(wrapper, y, x).allclose(layer.exact(y, x, ROWS, 1.0).float(), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_adapter_whose_weights_are_not_numbers_spoils_no_other_row(vllm_layers: ModuleType, bad: float) -> None:
    layer = vllm_layers.Layer(CASE)
    x, y = inputs(layer)
    for stack in (*layer.a, *layer.b):
        stack[1] = bad
    out = layer.add(vllm_layers.wrapper(CASE.slots, ROWS), y, x)
    assert [bool(row.isfinite().all()) for row in out] == [slot != 1 for slot in ROWS]


@pytest.mark.usefixtures("no_own")
def test_a_batch_without_adapters_is_left_as_it_is(vllm_layers: ModuleType) -> None:
    layer = vllm_layers.Layer(CASE)
    x, y = inputs(layer)
    assert layer.add(vllm_layers.wrapper(CASE.slots, [-1] * 6), y, x).equal(y)


def test_what_it_does_not_know_is_left_to_vllm(vllm_layers: ModuleType) -> None:
    import torch

    layer = vllm_layers.Layer(CASE)
    x, y = inputs(layer)
    rows = [slot if slot >= 0 else 2 for slot in ROWS]
    ours, theirs = vllm_layers.wrapper(4, rows), vllm_layers.wrapper(4, rows, plain=True)
    buffers = [tuple(torch.zeros(len(rows), 16) for _ in CASE.widths) for _ in range(2)]
    outs = [y.clone(), y.clone()]
    for wrapper, buffer, out in zip((ours, theirs), buffers, outs, strict=True):
        wrapper.add_lora_linear(out, x, layer.a, layer.b, 1.0, CASE.widths, buffer=buffer)
    assert outs[0].equal(outs[1])
    assert all(a.equal(b) for a, b in zip(*buffers, strict=True))
    layer.a, layer.b = tuple(a.half() for a in layer.a), tuple(b.half() for b in layer.b)
    assert layer.add(ours, y, x).equal(layer.add(theirs, y, x))


def test_a_failure_of_its_own_is_said_once_and_left_to_vllm_for_good(
    vllm_layers: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    layer = vllm_layers.Layer(CASE)
    x, y = inputs(layer)
    rows = [3, 0, 0, 1, 1, 3]
    ours, theirs = vllm_layers.wrapper(4, rows), vllm_layers.wrapper(4, rows, plain=True)
    brittle = vllm_layers.brittle(x)
    for given in (brittle, brittle, x):
        assert layer.add(ours, y, given).equal(layer.add(theirs, y, x))
    assert [record.message for record in caplog.records] == ["vLLM's own LoRA operations take over from postil's"]
    assert ours.plain
