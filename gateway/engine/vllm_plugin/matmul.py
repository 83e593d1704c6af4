"""The products themselves: everything that can fail comes first, and only then is the output written to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from postil.gateway.engine.vllm_plugin.cost_model import Group, Shape, divide
from postil.gateway.engine.vllm_plugin.kernel import Rows
from postil.gateway.engine.vllm_plugin.packing import Pack


@dataclass(frozen=True)
class Plan:
    """How one layer is computed for one batch."""

    alone: tuple[Group, ...]
    by_row: Rows | None

    @classmethod
    def of(cls, groups: Sequence[Group], shape: Shape, *, loops: bool) -> Plan:
        """The cheapest one. ``loops``: whether the compiled loops can do that layer."""
        division = divide(groups, shape, loops=loops)
        pairs = [(row, group.slot) for group in division.by_row for run in group.runs for row in range(*run)]
        return cls(division.alone, Rows(pairs) if pairs else None)


@dataclass(frozen=True)
class Update:
    """What is still to be added to one slice of the output: at ``rows``, ``left @ right``."""

    rows: slice
    columns: slice
    left: torch.Tensor
    right: torch.Tensor

    def apply(self, y: torch.Tensor) -> None:
        """Add it to ``y``, (rows, outputs)."""
        part = y[self.rows, self.columns]
        if y.dtype == torch.float32:
            part.addmm_(self.left, self.right)
        else:
            part.add_(self.left @ self.right)


@dataclass(frozen=True)
class Products:
    """One layer for one batch: what is added to its output, whose slices are ``widths`` columns wide, one by one."""

    pack: Pack
    plan: Plan
    widths: Sequence[int]

    def add(self, y: torch.Tensor, x: torch.Tensor, scale: float) -> None:
        """Add it, times ``scale``. ``x``, (rows, inputs) or without A (rows, rank or more), is not changed."""
        x = x.float() if self.pack.a is not None else x[:, : self.pack.rank].float()
        updates = [update for group in self.plan.alone for update in self._alone(x, group, scale)]
        if self.plan.by_row is not None:
            self._by_row(y, x, self.plan.by_row, scale)
        for update in updates:
            update.apply(y)

    def _by_row(self, y: torch.Tensor, x: torch.Tensor, rows: Rows, scale: float) -> None:
        if self.pack.weights is None:
            raise ValueError("no layer for the loops")
        x = x if x.stride(1) == 1 else x.contiguous()
        if y.dtype == torch.float32 and y.stride(1) == 1:
            self.pack.weights.add(y, x, rows, scale)
            return
        summed = torch.zeros((y.size(0), sum(self.widths)))
        self.pack.weights.add(summed, x, rows, scale)
        y[:, : summed.size(1)].add_(summed)

    def _alone(self, x: torch.Tensor, group: Group, scale: float) -> Iterator[Update]:
        rank, a = self.pack.rank, self.pack.a
        for run in group.runs:
            rows = slice(*run)
            left = x[rows] if a is None else x[rows] @ a[group.slot].t()
            if scale != 1.0:
                left = left * scale
            start = 0
            for place, width in enumerate(self.widths):
                right = self.pack.b_of[place][group.slot, :, :width]
                yield Update(rows, slice(start, start + width), left[:, place * rank : (place + 1) * rank], right)
                start += width
