"""What PEFT itself answers with each adapter: ``python -m tests.fakes.adapter_reference BASE TOKENS FOLDER...``

One JSON line for each folder: the log-probabilities of the likeliest next tokens, or ``error``.
"""

from __future__ import annotations

import copy
import json
import math
import sys
import warnings
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

LIKELIEST = 50


def answer(model: Any, tokens: list[int]) -> dict[str, float]:
    """The log-probabilities of the likeliest tokens that come next."""
    with torch.inference_mode():
        found = model(torch.tensor([tokens])).logits[0, -1].log_softmax(-1).topk(LIKELIEST)
    if any(math.isnan(value) for value in found.values.tolist()):
        raise ValueError("NaN")
    return dict(zip(map(str, found.indices.tolist()), found.values.tolist(), strict=True))


def reference(base: Any, folder: str, tokens: list[int]) -> dict[str, Any]:
    """What the base answers with an adapter, by PEFT, put on a copy that shares the weights."""
    shared: dict[int, Any] = {id(weight): weight for weight in base.parameters()}
    try:
        return answer(PeftModel.from_pretrained(copy.deepcopy(base, shared), folder), tokens)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"}


def load(path: str) -> tuple[Any, list[float]]:
    """The base, and what tells whether it is still what it was."""
    base = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    return base, sums(base)


def sums(base: Any) -> list[float]:
    """The sum of each weight."""
    return [float(weight.sum()) for weight in base.parameters()]


def main(path: str, tokens: str, *folders: str) -> None:
    """Answer for each folder in its turn."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)  # Two that wait for each other take minutes where another process wants a core.
    base, known = load(path)
    for folder in folders:
        print(json.dumps(reference(base, folder, json.loads(tokens))), flush=True)
        if sums(base) != known:  # Some variants of LoRA change the base.
            base, known = load(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
