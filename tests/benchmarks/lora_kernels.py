"""The LoRA products of one decoding step, without an engine: ``python -m tests.benchmarks.lora_kernels [THREADS]``.

The first round, in which postil packs the weights, is left out. Every row is timed beside the base's own products,
done by plain torch. Milliseconds, medians of interleaved rounds.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from vllm.lora.layers import LoRAMapping
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

from postil.gateway.engine.vllm_plugin.punica_wrapper import GroupedLoRA

LAYERS = 30
ROUNDS = 15
RANK, MAX_RANK = 8, 16
SHAPES = ((576, (576, 192, 192)), (576, (576,)), (576, (1536, 1536)), (1536, (576,)))
BATCHES = {  # rows of each adapter
    "1 adapter, 16 rows": [16],
    "4 adapters, 4 rows each": [4] * 4,
    "16 adapters, a row each": [1] * 16,
    "7 adapters, one with 10 rows": [10, 1, 1, 1, 1, 1, 1],
    "64 adapters, a row each": [1] * 64,
    "16 adapters, 64 rows each": [64] * 16,
}


class Stacked:
    """One LoRA layer, as vLLM lays it out, with the base's weight beside it."""

    def __init__(self, slots: int, inputs: int, widths: tuple[int, ...]) -> None:
        self.widths = widths
        self.base = torch.randn(sum(widths), inputs)
        self.a = tuple(torch.zeros(slots, 1, MAX_RANK, inputs) for _ in widths)
        self.b = tuple(torch.zeros(slots, 1, width, MAX_RANK) for width in widths)
        for a, b in zip(self.a, self.b, strict=True):
            a[:, :, :RANK].normal_()
            b[..., :RANK].normal_()


def ways(rows: list[int]) -> dict[str, Callable[[], None]]:
    """What is timed for one batch."""
    slots = len(rows)
    layers = [Stacked(slots, inputs, widths) for _ in range(LAYERS) for inputs, widths in SHAPES]
    total = sum(rows)
    given = {inputs: torch.randn(total, inputs) for inputs, _ in SHAPES}
    identities = tuple(slot + 1 for slot, count in enumerate(rows) for _ in range(count))
    ours, own = (kind(total, total, "cpu") for kind in (GroupedLoRA, PunicaWrapperCPU))
    for wrapper in (ours, own):
        mapping = LoRAMapping(identities, identities, is_prefill=True)
        wrapper.update_metadata(mapping, [*range(1, slots + 1)], slots + 1, 1)

    def adapted(wrapper: PunicaWrapperCPU) -> None:
        for layer in layers:
            x = given[layer.base.size(1)]
            y = torch.zeros(total, layer.base.size(0))
            wrapper.add_lora_linear(y, x, layer.a, layer.b, 1.0, layer.widths)

    def base() -> None:
        for layer in layers:
            torch.nn.functional.linear(given[layer.base.size(1)], layer.base)

    return {"base": base, "postil's": lambda: adapted(ours), "vLLM's own": lambda: adapted(own)}


def medians(timed: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Milliseconds; the first round warms up, and what takes seconds is timed once."""
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(ROUNDS + 1):
        for name, run in timed.items():
            if seconds[name][1:] and seconds[name][1] > 1:
                continue
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(each[1:] or each) * 1000 for name, each in seconds.items()}


def main() -> None:
    """Measure and show."""
    torch.set_grad_enabled(False)
    if sys.argv[1:]:
        torch.set_num_threads(int(sys.argv[1]))
    table = Table("batch", "base", "postil's", "vLLM's own")
    for name, rows in BATCHES.items():
        found = medians(ways(rows))
        table.add_row(name, *(f"{each:.1f}" for each in found.values()))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
