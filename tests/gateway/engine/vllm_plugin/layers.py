"""One LoRA layer as vLLM lays it out, a batch for it, and the exact answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from vllm.lora.layers import LoRAMapping
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

from postil.gateway.engine.vllm_plugin.bypass import shortened
from postil.gateway.engine.vllm_plugin.punica_wrapper import GroupedLoRA
from tests.gateway.engine.vllm_plugin.cases import INPUTS, MOST_ROWS, Case


class Brittle(torch.Tensor):  # type: ignore[misc]
    """A tensor of which no float32 copy can be had, as where memory has run out."""

    def float(self) -> torch.Tensor:
        """Fail."""
        raise RuntimeError("out of memory")


def brittle(x: torch.Tensor) -> torch.Tensor:
    """The same numbers in such a tensor."""
    return x.as_subclass(Brittle)


class Layer:
    """The stacks of one layer with the adapters of a case in them."""

    def __init__(self, case: Case) -> None:
        self.dtype = cast("torch.dtype", getattr(torch, case.dtype))
        self.widths = case.widths
        self.generator = torch.Generator().manual_seed(case.seed)
        self.a = tuple(self.zeros(case.slots, 1, case.max_rank, INPUTS) for _ in case.widths)
        self.b = tuple(self.zeros(case.slots, 1, width, case.max_rank) for width in case.widths)
        for slot, rank in case.ranks.items():
            self.load(slot, rank)

    def zeros(self, *shape: int) -> torch.Tensor:
        """An empty stack."""
        return torch.zeros(shape, dtype=self.dtype)

    def load(self, slot: int, rank: int) -> None:
        """Put an adapter into a slot as vLLM does: reset it, then copy into the stacks in place."""
        for a, b in zip(self.a, self.b, strict=True):
            a[slot] = 0
            b[slot] = 0
            a[slot, 0, :rank].copy_(self.random(rank, INPUTS))
            b[slot, 0, :, :rank].copy_(self.random(b.size(2), rank))

    def random(self, *shape: int) -> torch.Tensor:
        """Numbers of about 1."""
        return torch.randn(shape, generator=self.generator).to(self.dtype)

    def exact(self, y: torch.Tensor, x: torch.Tensor, slots: Sequence[int], scale: float) -> torch.Tensor:
        """The answer in float64, row by row."""
        out = y.double().clone()
        for row, slot in enumerate(slots):
            start = 0
            for a, b, width in zip(self.a, self.b, self.widths, strict=True):
                if slot >= 0:
                    shrunk = a[slot, 0].double() @ x[row].double()
                    out[row, start : start + width] += scale * (b[slot, 0].double() @ shrunk)
                start += width
        return out

    def add(self, wrapper: PunicaWrapperCPU, y: torch.Tensor, x: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        """What a wrapper makes of ``y``."""
        out = y.clone()
        wrapper.add_lora_linear(out, x, self.a, self.b, scale, self.widths)
        return out


def wrapper(slots: int = 1, rows: Sequence[int] = (0,), *, plain: bool = False) -> PunicaWrapperCPU:
    """postil's wrapper, or vLLM's own, that has been told the slot of each row."""
    made = (PunicaWrapperCPU if plain else GroupedLoRA)(MOST_ROWS, MOST_ROWS, "cpu")
    tell(made, slots, rows)
    return made


def tell(made: PunicaWrapperCPU, slots: int, rows: Sequence[int]) -> None:
    """The next batch. vLLM counts adapters from 1 and says 0 for none."""
    identities = tuple(slot + 1 for slot in rows)
    mapping = LoRAMapping(identities, identities, is_prefill=True)
    made.update_metadata(mapping, [slot + 1 for slot in range(slots)], slots + 1, 100)


class Base(torch.nn.Module):  # type: ignore[misc]
    """A linear layer that answers as vLLM's do: with or without its bias beside it."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.weight = torch.randn(outputs, INPUTS)
        self.bias = torch.randn(outputs)
        self.return_bias = False

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """The answer, in memory of its own."""
        output = torch.nn.functional.linear(x, self.weight)
        return (output, self.bias) if self.return_bias else output


class Wrapped(torch.nn.Module):  # type: ignore[misc]
    """As vLLM wraps a linear layer."""

    def __init__(self, layer: Layer, operations: PunicaWrapperCPU) -> None:
        super().__init__()
        self.base_layer: Base | None = Base(sum(layer.widths))
        self.punica_wrapper = operations
        self.tp_size = 1
        self.lora_a_stacked, self.lora_b_stacked, self.output_slices = layer.a, layer.b, layer.widths

    def shorter(self, x: torch.Tensor) -> object:
        """postil's way through it."""
        return shortened(lambda layer, given: layer.longer(given), GroupedLoRA)(self, x)

    def longer(self, x: torch.Tensor) -> object:
        """vLLM's way through it."""
        return self(x)

    def forward(self, x: torch.Tensor) -> object:
        """vLLM's way through it."""
        assert self.base_layer is not None
        output = torch.nn.functional.linear(x, self.base_layer.weight)
        self.punica_wrapper.add_lora_linear(
            output, x, self.lora_a_stacked, self.lora_b_stacked, 1.0, self.output_slices
        )
        return (output, self.base_layer.bias) if self.base_layer.return_bias else output
