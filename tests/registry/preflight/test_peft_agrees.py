"""What preflight takes of PEFT's configurations, held against PEFT itself on a tiny model with random weights."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from postil.registry.errors import PreflightError
from postil.registry.preflight.adapter_config import INITS, read_config
from postil.registry.preflight.patterns import read_pattern
from tests.registry.preflight.test_patterns import MODULES

pytestmark = pytest.mark.tune
TOKENS = [[1, 5, 9, 2, 7, 30, 11, 4]]


def tiny() -> Any:
    """A small Llama with random weights, always the same."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(7)
    sizes: dict[str, Any] = {
        "vocab_size": 32,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "initializer_range": 0.5,
    }
    return LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=2, num_key_value_heads=2)).eval()


def answer(model: Any) -> Any:
    """What a model says."""
    import torch

    with torch.no_grad():
        return model(torch.tensor(TOKENS)).logits


def untrained(init: bool | str) -> Any:
    """An adapter as PEFT makes it with an initialisation, before its first step of training."""
    import torch
    from peft import LoraConfig, get_peft_model, initialize_lora_eva_weights
    from peft.tuners.lora.config import CordaConfig, EvaConfig, LoraGAConfig
    from peft.tuners.lora.corda import preprocess_corda
    from peft.tuners.lora.loraga import preprocess_loraga

    model, batch = tiny(), {"input_ids": torch.tensor(TOKENS)}
    named = init if isinstance(init, str) else ""
    extra = {
        "eva": {"eva_config": EvaConfig(rho=1.0)},
        "lora_ga": {"lora_ga_config": LoraGAConfig()},
        "corda": {"corda_config": CordaConfig(corda_method="kpm")},
    }.get(named, {})
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=init, **extra)
    if named == "corda":
        preprocess_corda(model, config, run_model=lambda: answer(model))
    if named == "lora_ga":
        model.enable_input_require_grads()

        def step() -> None:
            model(**batch, labels=batch["input_ids"]).loss.backward()

        preprocess_loraga(model, config, train_step=step)
    adapted = get_peft_model(model, config, low_cpu_mem_usage=named == "eva")
    if named == "eva":
        initialize_lora_eva_weights(adapted, dataloader=[batch])
    return adapted.eval()


def moves_the_base(init: bool | str, folder: Path) -> bool:
    """Whether an untrained adapter, put on the base as it was, answers otherwise than the base.

    PEFT itself moves the base when it loads one of those that do; the engine knows nothing of that.
    """
    import torch
    from peft import PeftModel

    untrained(init).save_pretrained(folder)
    stated = json.loads((folder / "adapter_config.json").read_bytes())
    plain = dict.fromkeys(("eva_config", "corda_config", "lora_ga_config"))
    (folder / "adapter_config.json").write_text(json.dumps({**stated, **plain, "init_lora_weights": True}))
    return not torch.allclose(answer(PeftModel.from_pretrained(tiny(), str(folder))), answer(tiny()), atol=1e-4)


def takes(init: object, folder: Path) -> bool:
    """Whether preflight takes an initialisation."""
    stated = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], "init_lora_weights": init}
    (folder / "adapter_config.json").write_text(json.dumps(stated))
    try:
        read_config(folder / "adapter_config.json", 16)
    except PreflightError:
        return False
    return True


def of_peft() -> set[str]:
    """The initialisations that this PEFT knows by name."""
    from peft import LoraConfig

    kinds = get_args(get_type_hints(LoraConfig)["init_lora_weights"])
    named = {name for kind in kinds for name in get_args(kind) if isinstance(name, str)}
    return {re.sub(r"\[.*\]", "2", name) for name in named} | {"lora_ga"}


@pytest.mark.parametrize("init", [True, *INITS])
def test_an_init_that_is_taken_leaves_the_base_as_it_is(tmp_path: Path, init: bool | str) -> None:
    assert takes(init, tmp_path)
    assert not moves_the_base(init, tmp_path / "adapter")


@pytest.mark.parametrize("init", ["pissa", "pissa_niter_2", "olora", "corda", "lora_ga"])
def test_an_init_that_moves_the_base_is_refused(tmp_path: Path, init: str) -> None:
    assert not takes(init, tmp_path)
    assert moves_the_base(init, tmp_path / "adapter")


def test_every_init_of_this_peft_was_looked_at() -> None:
    """``loftq`` needs a quantised base, which is another base."""
    assert of_peft() == {*INITS, "pissa", "pissa_niter_2", "olora", "corda", "lora_ga", "loftq"}


@pytest.mark.parametrize(
    "keys",
    [
        [r".*layers\.1\..*q_proj"], ["q_proj", r".*\.self_attn\..*"], [r"(q|v)_proj", "up_proj"],
        [r"^model\.layers\.0\.mlp\.up_proj", r"layers\.\d\d\..*"], ["layers.1.self_attn.q_proj"],
    ],
)  # fmt: skip
def test_a_pattern_is_resolved_as_peft_resolves_it(keys: list[str]) -> None:
    from peft.utils.other import get_pattern_key

    pattern = {key: number for number, key in enumerate(keys, 1)}
    read = read_pattern("rank_pattern", pattern)
    for module in MODULES:
        assert read.value(module, 0) == pattern.get(get_pattern_key(list(pattern), module), 0)
