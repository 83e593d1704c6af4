"""Which bases can be trained, found out by computing the same in two ways."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from postil.registry.errors import BaseModelError
from postil.registry.training.probe import lowest_layer

pytestmark = pytest.mark.tune

CODER: Any = SimpleNamespace(shared=(5, 6, 7), lead=(8, 9), answers={"a": SimpleNamespace(ids=(10, 11, 12, 3))})
SHAPE: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.4,
}


def tiny(kind: str, **changes: Any) -> Any:
    """A random model of an architecture of transformers."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **{**SHAPE, **changes})
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    return model.eval()


@pytest.mark.parametrize(
    ("kind", "changes", "first"),
    [
        ("llama", {}, 0),
        ("llama", {}, 1),
        ("gemma2", {"head_dim": 8, "final_logit_softcapping": 2.0}, 1),  # Every other layer looks back a little way.
    ],
)
def test_a_base_like_llama_is_run_from_the_first_trained_layer_on(
    kind: str, changes: dict[str, Any], first: int
) -> None:
    assert lowest_layer(tiny(kind, **changes), CODER, first) == first


def test_a_base_whose_layers_have_another_name_is_run_whole() -> None:
    model = tiny("gpt2", n_layer=2, n_head=4, n_embd=32)
    before = [name for name, _ in model.named_modules()]
    assert lowest_layer(model, CODER, 1) == 0
    assert [name for name, _ in model.named_modules()] == before


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("granite", {"logits_scaling": 8.0}),
        ("mamba", {"state_size": 4}),
    ],
)
def test_a_base_that_cannot_be_run_so_is_refused(kind: str, changes: dict[str, Any]) -> None:
    with pytest.raises(BaseModelError, match=r"^the base \((Granite|Mamba)ForCausalLM\) answers otherwise"):
        lowest_layer(tiny(kind, **changes), CODER, 0)
