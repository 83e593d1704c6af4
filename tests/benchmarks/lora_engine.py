"""What the benchmark of LoRA on a CPU runs in a process of its own: vLLM without its HTTP server."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

DECODED = 16
PROMPT = 64
LAYERS = 30
RANK = 8
SMALL = ("self_attn.q_proj", "self_attn.v_proj")
SHAPES = {  # outputs, inputs
    "self_attn.q_proj": (576, 576), "self_attn.k_proj": (192, 576), "self_attn.v_proj": (192, 576),
    "self_attn.o_proj": (576, 576), "mlp.gate_proj": (1536, 576), "mlp.up_proj": (1536, 576),
    "mlp.down_proj": (576, 1536),
}  # fmt: skip


def write_adapter(folder: Path, seed: int, modules: Sequence[str] = SMALL, rank: int = RANK) -> Path:
    """An adapter of small random weights for the default base."""
    folder.mkdir(parents=True)
    chance = np.random.default_rng(seed)
    tensors = {}
    for layer in range(LAYERS):
        for module in modules:
            outputs, inputs = SHAPES[module]
            for part, shape in (("lora_A", (rank, inputs)), ("lora_B", (outputs, rank))):
                name = f"base_model.model.model.layers.{layer}.{module}.{part}.weight"
                tensors[name] = chance.normal(scale=0.02, size=shape).astype(np.float32)
    save_file(tensors, folder / "adapter_model.safetensors")
    targets = [module.rpartition(".")[2] for module in modules]
    stated = {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "target_modules": targets}
    (folder / "adapter_config.json").write_text(json.dumps(stated))
    return folder


class Engine:
    """One vLLM; ``adapters`` 0 is one without LoRA."""

    def __init__(self, model: str, folder: Path, adapters: int, requests: int, modules: list[str]) -> None:
        from vllm import LLM
        from vllm.lora.request import LoRARequest

        lora = {"enable_lora": True, "max_loras": adapters, "max_lora_rank": 16} if adapters else {}
        self._llm = LLM(
            model, dtype="float32", max_model_len=1024, max_num_seqs=requests, enforce_eager=True,
            enable_prefix_caching=False, **lora,
        )  # fmt: skip
        self._adapters = [
            LoRARequest(f"a{n}", n + 1, str(write_adapter(folder / f"a{n}", n, modules))) for n in range(adapters)
        ]
        self._wrappers = self._llm.apply_model(_wrappers)[0] if adapters else []

    def seconds(self, way: str, prompts: list[Any], tokens: int) -> tuple[float, list[list[int]]]:
        """How long all prompts together take, and what is answered. ``way``: base, grouped or plain."""
        from vllm import SamplingParams

        for wrapper in self._wrappers:
            wrapper.plain = way == "plain"
        wanted = None
        if way != "base":
            wanted = [self._adapters[place % len(self._adapters)] for place in range(len(prompts))]
        sampling = SamplingParams(temperature=0, max_tokens=tokens, ignore_eos=True)
        began = time.perf_counter()
        answers = self._llm.generate(prompts, sampling, lora_request=wanted, use_tqdm=False)
        return time.perf_counter() - began, [list(answer.outputs[0].token_ids) for answer in answers]


def _wrappers(model: Any) -> list[Any]:
    found = {id(wrapper): wrapper for part in model.modules() if (wrapper := getattr(part, "punica_wrapper", None))}
    return list(found.values())


def prompts(requests: int, length: int) -> list[Any]:
    """Random ones."""
    chance = np.random.default_rng(0)
    return [{"prompt_token_ids": chance.integers(1000, 40000, size=length).tolist()} for _ in range(requests)]


def measure(engines: dict[str, tuple[Engine, str]], requests: int, rounds: int) -> dict[str, Any]:
    """Seconds of decoding and of prefill in each way, its rounds interleaved; the first round warms up."""
    found: dict[str, Any] = {}
    for what, length, tokens in (("decode", 8, DECODED), ("prefill", PROMPT, 1)):
        given = prompts(requests, length)
        seconds: dict[str, list[float]] = {name: [] for name in engines}
        answers = {}
        for turn in range(rounds + 1):
            for name, (engine, way) in engines.items():
                if way == "plain" and turn != 1:  # takes minutes, and one measurement shows it
                    continue
                took, answers[name] = engine.seconds(way, given, tokens)
                seconds[name] += [took] if turn else []
        found[what] = seconds
        print(what, found[what], flush=True)
        if "plain" in answers:
            found[f"{what}: same tokens"] = answers["plain"] == answers["grouped"]
    return found


def main(asked: dict[str, Any]) -> None:
    """Measure what is asked, and write it to a file as JSON."""
    folder = Path(asked["folder"])
    modules = [module for module in SHAPES if module.rpartition(".")[2] in asked["modules"]]
    without = None
    if "without" in asked["ways"]:
        # The first of the two: once numba's own libraries are loaded, vLLM 0.32 starts no engine in that process.
        without = Engine(asked["model"], folder, 0, asked["requests"], modules)
    engine = Engine(asked["model"], folder, asked["adapters"], asked["requests"], modules)
    engines = {way: (engine, way) for way in asked["ways"]}
    if without is not None:
        engines["without"] = (without, "base")
    Path(asked["to"]).write_text(json.dumps(measure(engines, asked["requests"], asked["rounds"])))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
