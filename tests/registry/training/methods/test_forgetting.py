"""The distance of an adapted model to its base on questions that have nothing to do with its task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.tune


def adapted(base: Path) -> tuple[Any, Any]:
    """The tiny base with an adapter that changes nothing yet, and its tokenizer."""
    from peft import LoraConfig, get_peft_model

    from postil.registry.training.model import load_base

    model, tokenizer = load_base(base, 0)
    return get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"])), tokenizer


def test_an_adapter_without_effect_forgets_nothing_and_more_effect_is_more_forgetting(tiny_base: Path) -> None:
    import torch

    from postil.registry.training.methods.forgetting import forgetting

    model, tokenizer = adapted(tiny_base)
    none = forgetting(model, tokenizer, "category", ["billing"])
    assert (none.prompts, none.labels, none.base_labels) == (24, 0, 0)
    assert abs(none.kl) < 1e-4
    assert none.perplexity_ratio == pytest.approx(1, abs=1e-3)
    found = []
    for scale in (0.05, 1.0):
        with torch.no_grad():
            for name, weights in model.named_parameters():
                if "lora_B" in name:
                    weights.fill_(scale)
        found.append(forgetting(model, tokenizer, "category", ["billing"]))
    assert 0 < found[0].kl < found[1].kl
    assert found[0].tokens == none.tokens
    assert not model.base_model.model.training


def test_the_divergence_over_the_bases_answers_is_the_same_by_both_ways(tiny_base: Path, tmp_path: Path) -> None:
    import torch

    from postil.registry.training.methods import forgetting as module
    from postil.registry.training.methods.encoding import Encoder

    model, tokenizer = adapted(tiny_base)
    rows = module.neutral(Encoder(tokenizer))[:3]
    with model.disable_adapter():
        module.remember(model, rows, tmp_path / "base")
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                weights.fill_(0.1)
    one_by_one = sum(module._apart(model, row) for row in rows) / sum(len(row.answer) for row in rows)
    assert module.forgotten(model, rows, tmp_path / "base") == pytest.approx(one_by_one, rel=1e-2)


def test_a_generated_answer_ends_with_its_end(tiny_base: Path) -> None:
    from postil.registry.training.methods.measures import generated

    model, tokenizer = adapted(tiny_base)
    prompts = [tokenizer(text)["input_ids"] for text in ("Why?", "Name three colours.")]
    free = generated(model, prompts, 1, 4)[0]
    assert 0 < len(free) <= 4
    assert generated(model, prompts[:1], free[0], 4) == [free[:1]]
