"""What stands in the place of vLLM's LoRA operations on CPUs. Imported by vLLM alone (register.py).

vLLM's own gather a copy of the adapter's weights for every token, and give rows without an adapter the last slot's.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import vllm
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

from postil.gateway.engine.vllm_plugin.bypass import shorten
from postil.gateway.engine.vllm_plugin.cost_model import Group, Shape, groups
from postil.gateway.engine.vllm_plugin.internals import missing, sentence
from postil.gateway.engine.vllm_plugin.kernel import kernel
from postil.gateway.engine.vllm_plugin.matmul import Plan, Products
from postil.gateway.engine.vllm_plugin.packing import Pack, Stacks

Slices = tuple[int, ...] | None
_TYPES = (torch.float32, torch.bfloat16)


class UnsuitedError(Exception):
    """Not a case for these products; vLLM's own take it."""


class Mapping:
    """The adapter of each row of the present batch, and how layers are computed for it. Made once for all of them."""

    def __init__(self, slots: Sequence[int]) -> None:
        self.rows = len(slots)
        self.groups: tuple[Group, ...] = groups(slots)
        self.slots = frozenset(group.slot for group in self.groups)
        self.layers: dict[tuple[int, int], Layer] = {}
        self._plans: dict[tuple[frozenset[int], Shape, bool], Plan] = {}

    def plan(self, slots: frozenset[int], shape: Shape, *, loops: bool) -> Plan:
        """The plan for a layer of that shape which only the adapters in ``slots`` change."""
        key = (slots, shape, loops)
        if key not in self._plans:
            self._plans[key] = Plan.of([group for group in self.groups if group.slot in slots], shape, loops=loops)
        return self._plans[key]


@dataclass(frozen=True)
class Layer:
    """A layer as it is computed for one batch, as long as its stacks stay as they are. No ``products``: none to add."""

    a_stacks: Stacks
    b_stacks: Stacks
    slices: Slices
    pack: Pack
    edition: int
    inputs: int
    products: Products | None

    def holds(self, a_stacks: Stacks, b_stacks: Stacks, slices: Slices) -> bool:
        """Whether it is still so, for these stacks."""
        same = (a_stacks is self.a_stacks and b_stacks is self.b_stacks) or self.pack.belongs_to(a_stacks, b_stacks)
        return same and slices == self.slices and self.pack.unchanged(self.edition, a_stacks, b_stacks)


class GroupedLoRA(PunicaWrapperCPU):
    """Rows are grouped by adapter; rows without one are left alone. Whatever is unexpected is left to vLLM's own.

    ``plain`` is set when something here has failed: from then on vLLM's own do everything. Benchmarks set it too.
    ``idle``: no row of the present batch has an adapter.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._mappings: dict[str, Mapping] = {}
        self._packs: dict[int, Pack] = {}
        self.plain = False
        self.idle = False
        if (lacks := missing(PunicaWrapperCPU, self)) is not None:
            self.plain = True
            _log().warning(sentence(str(vllm.__version__), lacks))
            return
        try:
            kernel()
            shorten(GroupedLoRA)
        except Exception:
            self._give_up()

    def _update_base_metadata(self, *args: Any, **kwargs: Any) -> None:
        self._mappings = {}
        super()._update_base_metadata(*args, **kwargs)
        self.idle = not self.plain and not self._mapping("token").slots

    def add_lora_linear(
        self,
        y: torch.Tensor,
        x: torch.Tensor,
        lora_a_stacked: tuple[torch.Tensor, ...],
        lora_b_stacked: tuple[torch.Tensor, ...],
        scale: float,
        output_slices: tuple[int, ...],
        *,
        buffer: tuple[torch.Tensor, ...] | None = None,
        **kwargs: Any,
    ) -> None:
        """Add to ``y``, slice by slice, ``x @ A.T @ B.T * scale`` of each row's adapter."""
        usual = buffer is None and not kwargs
        if not usual or not self._add("token", y, x, lora_a_stacked, lora_b_stacked, scale, output_slices):
            super().add_lora_linear(y, x, lora_a_stacked, lora_b_stacked, scale, output_slices, buffer=buffer, **kwargs)

    def add_lora_embedding(
        self, y: torch.Tensor, x: torch.Tensor, lora_b_stacked: torch.Tensor, add_inputs: bool = True, **kwargs: Any
    ) -> None:
        """Add to ``y`` the product of ``x``, which is looked up in A already, with B of each row's adapter."""
        # vLLM's layer calls the one argument ``add_input``, its products ``add_inputs``.
        usual = add_inputs and kwargs in ({}, {"add_input": True})
        if not usual or not self._add("token", y, x, (), (lora_b_stacked,), 1.0):
            super().add_lora_embedding(y, x, lora_b_stacked, add_inputs, **kwargs)

    def add_lora_logits(
        self,
        y: torch.Tensor,
        x: torch.Tensor,
        lora_a_stacked: torch.Tensor,
        lora_b_stacked: torch.Tensor,
        scale: float,
        *,
        buffer: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        """Add to the logits ``y`` what each row's adapter changes in the head. Rows are requests here, not tokens."""
        if buffer is not None or not self._add("sampler", y, x, (lora_a_stacked,), (lora_b_stacked,), scale):
            super().add_lora_logits(y, x, lora_a_stacked, lora_b_stacked, scale, buffer=buffer, **kwargs)

    def _add(
        self, rows: str, y: torch.Tensor, x: torch.Tensor, a_stacks: Stacks, b_stacks: Stacks, scale: float,
        slices: Slices = None,
    ) -> bool:  # fmt: skip
        """Whether it was done here."""
        # A compiler would freeze this batch's grouping into the graph.
        if self.plain or torch.compiler.is_compiling():
            return False
        try:
            products = self._products(rows, y, x, a_stacks, b_stacks, slices)
            if products is not None:
                products.add(y, x, scale)
        except UnsuitedError:
            return False
        except Exception:
            self._give_up()
            return False
        return True

    def _give_up(self) -> None:
        self.plain = True
        _log().exception("vLLM's own LoRA operations take over from postil's")

    def _products(
        self, rows: str, y: torch.Tensor, x: torch.Tensor, a_stacks: Stacks, b_stacks: Stacks, slices: Slices
    ) -> Products | None:
        mapping = self._mapping(rows)
        if not mapping.slots:
            return None
        if not (x.dim() == y.dim() == 2 and x.size(0) == y.size(0) == mapping.rows):
            raise UnsuitedError
        key = (id(b_stacks[0]), y.size(1))
        layer = mapping.layers.get(key)
        if layer is None or not layer.holds(a_stacks, b_stacks, slices):
            layer = mapping.layers[key] = self._layer(mapping, y.size(1), a_stacks, b_stacks, slices)
        if layer.products is not None and (x.size(1) != layer.inputs or not (_known(x) and _known(y))):
            raise UnsuitedError
        return layer.products

    def _layer(self, mapping: Mapping, outputs: int, a_stacks: Stacks, b_stacks: Stacks, slices: Slices) -> Layer:
        if slices is not None and not all(map(_as_wide, b_stacks, slices)):
            raise UnsuitedError
        pack = self._pack(a_stacks, b_stacks)
        slots = pack.prepare(a_stacks, b_stacks, mapping.slots)
        inputs = (*a_stacks, *b_stacks)[0].size(3)
        # One alone may be wider than the output: a head's B where the logits have lost their padding.
        widths = [stack.size(2) for stack in b_stacks] if len(b_stacks) > 1 else [min(b_stacks[0].size(2), outputs)]
        if sum(widths) > outputs:
            raise UnsuitedError
        shape = Shape(len(widths), inputs if a_stacks else 0, sum(widths), pack.rank)
        products = None
        if slots:
            # The loops begin with A, and go through all of B.
            loops = pack.weights is not None and widths[0] == b_stacks[0].size(2)
            products = Products(pack, mapping.plan(slots, shape, loops=loops), widths)
        return Layer(a_stacks, b_stacks, slices, pack, pack.edition, inputs, products)

    def _mapping(self, rows: str) -> Mapping:
        if rows not in self._mappings:
            if None in self.indices_len:
                raise UnsuitedError
            slots = self.token_lora_indices if rows == "token" else self.sampler_indices
            self._mappings[rows] = Mapping(slots.tolist())
        return self._mappings[rows]

    def _pack(self, a_stacks: Stacks, b_stacks: Stacks) -> Pack:
        key = id(b_stacks[0])
        pack = self._packs.get(key)
        if pack is None or not pack.belongs_to(a_stacks, b_stacks):
            if not all(_stack(stack) for stack in (*a_stacks, *b_stacks)):
                raise UnsuitedError
            self._packs = {key: pack for key, pack in self._packs.items() if not pack.forgotten}
            pack = self._packs[key] = Pack(a_stacks, b_stacks)
        return pack


def _log() -> logging.Logger:
    return logging.getLogger("vllm.postil")


def _known(tensor: torch.Tensor) -> bool:
    return tensor.dtype in _TYPES and bool(tensor.is_cpu)


def _as_wide(stack: torch.Tensor, width: int) -> bool:
    return bool(stack.size(-2) == width)


def _stack(tensor: torch.Tensor) -> bool:
    """Whether it is one as pack.py describes them. Tensors of inference mode do not tell when they were changed."""
    return _known(tensor) and tensor.dim() == 4 and tensor.size(1) == 1 and not tensor.is_inference()
