"""Shorter ways through vLLM's wrappers of linear layers, which cost a decoding step more than small products do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

_Forward = Callable[[Any, torch.Tensor], Any]


def shorten(wrapper: type[Any]) -> None:
    """Put them into vLLM's classes, once; they are taken where a layer's operations are a ``wrapper``."""
    from vllm.lora.layers import ColumnParallelLinearWithLoRA, ReplicatedLinearWithLoRA, RowParallelLinearWithLoRA

    for kind in (ColumnParallelLinearWithLoRA, ReplicatedLinearWithLoRA, RowParallelLinearWithLoRA):
        if not hasattr(kind.forward, "postil"):
            kind.forward = shortened(kind.forward, wrapper)


def shortened(forward: _Forward, wrapper: type[Any]) -> _Forward:
    """``forward``, but where no row of the batch has an adapter, the layer that is wrapped is called and no more.

    Where some have and the layer is whole, theirs are added to what that layer makes: it is what vLLM's own comes to.
    """

    def shorter(self: Any, input_: torch.Tensor) -> Any:
        operations = self.punica_wrapper
        # A compiler would freeze what is true of this batch into the graph.
        if torch.compiler.is_compiling() or type(operations) is not wrapper or operations.plain:
            return forward(self, input_)
        layer = self._modules["base_layer"]
        if operations.idle:
            return layer.forward(input_)
        if self.tp_size > 1 or input_.dim() != 2:
            return forward(self, input_)
        found = layer.forward(input_)
        output = found[0] if isinstance(found, tuple) else found
        operations.add_lora_linear(output, input_, self.lora_a_stacked, self.lora_b_stacked, 1.0, self.output_slices)
        return found

    shorter.postil = True  # type: ignore[attr-defined]
    return shorter
