"""How the result of a way of tuning is served: known before the first step, so that no hour is spent in vain.

The engine serves plain LoRA on linear modules. What comes to the same is served exactly, what is near to it is
converted and measured, and the rest is refused. Imports nothing, so that asking is quick.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from postil.registry.training.errors import MethodError

Way = Literal["exact", "converted", "refused"]
METHODS = ("sft", "text", "dpo", "kto")
# DPO and KTO take the model without the adapter as their reference, so the change has to be one that can be left out.
PREFERENCES = ("dpo", "kto")
_LORAS = ("lora", "rslora")


@dataclass(frozen=True, slots=True)
class Servability:
    """How a way of tuning is served, and the sentence that says so before training."""

    way: Way
    sentence: str


SERVABILITY: Mapping[str, Servability] = {
    "lora": Servability("exact", "a LoRA is served exactly as it was trained"),
    "rslora": Servability("exact", "a LoRA scaled by alpha / sqrt(rank) is served exactly as it was trained"),
    "bottleneck": Servability(
        "exact", "a linear bottleneck after a linear module is written as a LoRA, (I + UD)W = W + U(DW), exactly"
    ),
    "dora": Servability(
        "converted",
        "the engine serves no DoRA: what it changes in each module is written as a LoRA of --convert-rank, and the loss"
        " of that is measured",
    ),
    "full": Servability(
        "converted",
        "the base stays as it is: what full fine-tuning changes in each linear module is written as a LoRA of"
        " --convert-rank, and the loss of that is measured",
    ),
    "prompt": Servability(
        "refused",
        "learned prompt tokens cannot be published, because a release changes linear modules only and no embeddings;"
        " take --tune lora",
    ),
    "prefix": Servability(
        "refused",
        "the engine cannot put learned keys and values before a prompt, and no LoRA comes to the same;"
        " take --tune lora with --targets k_proj,v_proj",
    ),
    "ia3": Servability(
        "refused",
        "IA3 scales whole activations, a change of full rank that no LoRA comes to;"
        " take --tune lora with --targets k_proj,v_proj,down_proj",
    ),
    "bitfit": Servability(
        "refused",
        "the engine adds no trained biases, and models such as Llama have none to train;"
        " take --tune lora with --rank 1, which is as small",
    ),
}
TUNES = tuple(SERVABILITY)


def servability(tune: str) -> Servability:
    """Return how ``tune`` is served. Raises MethodError if there is no such way."""
    if tune not in SERVABILITY:
        raise MethodError(f"--tune: postil does not tune by {tune!r}; it does by {', '.join(TUNES)}")
    return SERVABILITY[tune]


def check_servable(method: str, tune: str, *, measure_only: bool = False) -> Servability:
    """Return how the result will be served. Raises MethodError if never, unless it is made ``measure_only``."""
    if method not in METHODS:
        raise MethodError(f"--method: postil does not train by {method!r}; it does by {', '.join(METHODS)}")
    found = servability(tune)
    if method in PREFERENCES and tune not in _LORAS:
        raise MethodError(
            f"--method {method} takes --tune {' or '.join(_LORAS)}, whose reference is the base without it"
        )
    if found.way == "refused" and not measure_only:
        raise MethodError(f"--tune {tune}: {found.sentence}")
    return found
