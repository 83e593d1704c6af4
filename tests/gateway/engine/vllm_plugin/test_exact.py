"""The products against vLLM's own operations and against float64, for every layout of a batch that can occur."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.engine.vllm_plugin.cases import INPUTS, Case, batches, cases

pytestmark = pytest.mark.tune

# float32: sums of up to 24 * 16 products of numbers of about 1, in another order. bfloat16 has 8 bits: the outputs go
# up to 300, and vLLM rounds three times on the way.
TOLERANCE = {"float32": {"rtol": 1e-4, "atol": 1e-3}, "bfloat16": {"rtol": 2**-6, "atol": 0.5}}
law = settings(max_examples=150, deadline=None, derandomize=True)


def close(found: Any, wanted: Any, case: Case) -> None:
    import torch

    torch.testing.assert_close(found.double(), wanted.double(), **TOLERANCE[case.dtype])


@law
@given(data=st.data(), case=cases(), scale=st.sampled_from([1.0, 0.5]))
def test_agrees_with_float64_and_with_vllm_before_and_after_an_adapter_is_replaced(
    data: st.DataObject, case: Case, scale: float, vllm_layers: ModuleType
) -> None:
    layer = vllm_layers.Layer(case)
    ours, theirs = vllm_layers.wrapper(), vllm_layers.wrapper(plain=True)
    for _ in range(3):
        rows = data.draw(batches(case.slots))
        for wrapper in (ours, theirs):
            vllm_layers.tell(wrapper, case.slots, rows)
        x, y = layer.random(len(rows), INPUTS), layer.random(len(rows), sum(case.widths) + 2)
        out = layer.add(ours, y, x, scale)
        adapted = [row for row, slot in enumerate(rows) if slot >= 0]
        close(out, layer.exact(y, x, rows, scale), case)
        close(out[adapted], layer.add(theirs, y, x, scale)[adapted], case)
        layer.load(data.draw(st.integers(0, case.slots - 1)), data.draw(st.integers(1, case.max_rank)))


@law
@given(data=st.data(), case=cases())
def test_rows_without_an_adapter_stay_as_they_are(data: st.DataObject, case: Case, vllm_layers: ModuleType) -> None:
    layer = vllm_layers.Layer(case)
    rows = data.draw(batches(case.slots))
    x, y = layer.random(len(rows), INPUTS), layer.random(len(rows), sum(case.widths))
    out = layer.add(vllm_layers.wrapper(case.slots, rows), y, x)
    base = [row for row, slot in enumerate(rows) if slot < 0]
    assert out[base].equal(y[base])


@law
@given(data=st.data(), case=cases(slices=1), cut=st.integers(0, 4))
def test_logits_agree_with_float64_with_or_without_the_padding_of_the_vocabulary(
    data: st.DataObject, case: Case, cut: int, vllm_layers: ModuleType
) -> None:
    layer = vllm_layers.Layer(case)
    rows = data.draw(batches(case.slots))
    x, y = layer.random(len(rows), INPUTS), layer.random(len(rows), case.widths[0])
    exact = layer.exact(y, x, rows, 1.0)
    kept = max(1, case.widths[0] - cut)
    out = y[:, :kept].clone()
    vllm_layers.wrapper(case.slots, rows).add_lora_logits(out, x, layer.a[0], layer.b[0], 1.0)
    close(out, exact[:, :kept], case)


@law
@given(data=st.data(), case=cases())
def test_embeddings_agree_with_float64(data: st.DataObject, case: Case, vllm_layers: ModuleType) -> None:
    layer = vllm_layers.Layer(case)
    rows = data.draw(batches(case.slots))
    looked_up = layer.random(len(rows), case.max_rank)
    y = layer.random(len(rows), case.widths[0])
    exact = y.double()
    for row, slot in enumerate(rows):
        looked_up[row, case.ranks.get(slot, 0) :] = 0
        if slot >= 0:
            exact[row] += layer.b[0][slot, 0].double() @ looked_up[row].double()
    out = y.clone()
    vllm_layers.wrapper(case.slots, rows).add_lora_embedding(out, looked_up, layer.b[0], add_input=True)
    close(out, exact, case)
