"""The products themselves: everything that can fail comes first, and only then is the output written to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from postil.gateway.engine.inside.layout import Division, Group, Shape, divide
from postil.gateway.engine.inside.pack import Pack


@dataclass(frozen=True)
class Stretch:
    """Slots ``[first, last)`` as one batched product: rows are gathered, padded to ``longest`` a slot, and put back.

    ``gather[i]`` is the row that comes to place ``i``; ``rows[j]`` receives what came out at ``places[j]``.
    """

    first: int
    last: int
    longest: int
    gather: torch.Tensor
    rows: torch.Tensor
    places: torch.Tensor


@dataclass(frozen=True)
class Plan:
    """How one layer is computed for one batch."""

    alone: tuple[Group, ...]
    together: tuple[Stretch, ...]

    @classmethod
    def of(cls, groups: Sequence[Group], shape: Shape) -> Plan:
        """The cheapest one."""
        division: Division = divide(groups, shape)
        return cls(division.alone, tuple(_stretch(stretch) for stretch in division.together))

    @property
    def rows(self) -> Iterator[slice | torch.Tensor]:
        """The rows that have an adapter."""
        for group in self.alone:
            yield from (slice(*run) for run in group.runs)
        for stretch in self.together:
            yield stretch.rows


class Update:
    """What is still to be added to one slice of the output: at ``rows``, ``left @ right`` or ready-made."""

    def __init__(
        self, rows: tuple[int, int] | torch.Tensor, columns: slice, left: torch.Tensor, right: torch.Tensor | None
    ):
        self._rows = rows
        self._columns = columns
        self._left = left
        self._right = right

    def apply(self, y: torch.Tensor) -> None:
        """Add it to ``y``, (rows, outputs)."""
        part = y[:, self._columns]
        if isinstance(self._rows, torch.Tensor):
            part.index_add_(0, self._rows, self._left.to(y.dtype))
            return
        part = part[slice(*self._rows)]
        if self._right is None:
            part.add_(self._left)
        elif y.dtype == torch.float32:
            part.addmm_(self._left, self._right)
        else:
            part.add_(self._left @ self._right)


def updates(x: torch.Tensor, pack: Pack, plan: Plan, widths: Sequence[int], scale: float) -> list[Update]:
    """All that is to be added to the output, whose slices are ``widths`` columns wide, from its first column on.

    ``x`` is (rows, inputs), or (rows, rank or more) where the pack has no A. It is not changed.
    """
    x = x.float() if pack.a is not None else x[:, : pack.rank].float()
    found = [update for group in plan.alone for update in _alone(x, pack, group, widths, scale)]
    found += [update for stretch in plan.together for update in _together(x, pack, stretch, widths, scale)]
    return found


def _alone(x: torch.Tensor, pack: Pack, group: Group, widths: Sequence[int], scale: float) -> Iterator[Update]:
    for run in group.runs:
        left = x[slice(*run)]
        if pack.a is not None:
            left = left @ pack.a[group.slot].t()
        if scale != 1.0:
            left = left * scale
        start = 0
        for place, width in enumerate(widths):
            ranks = left[:, place * pack.rank : (place + 1) * pack.rank]
            yield Update(run, slice(start, start + width), ranks, pack.b[place][group.slot, :, :width])
            start += width


def _together(x: torch.Tensor, pack: Pack, stretch: Stretch, widths: Sequence[int], scale: float) -> Iterator[Update]:
    slots = slice(stretch.first, stretch.last)
    left = x.index_select(0, stretch.gather).view(stretch.last - stretch.first, stretch.longest, x.size(1))
    if pack.a is not None:
        left = torch.bmm(left, pack.a[slots].transpose(1, 2))
    if scale != 1.0:
        left = left * scale
    rows: tuple[int, int] | torch.Tensor = stretch.rows
    # Every row of the batch, in order: added as it is, which is quicker than row by row.
    if len(stretch.rows) == x.size(0):
        rows = (0, x.size(0))
    start = 0
    for place, width in enumerate(widths):
        ranks = left[:, :, place * pack.rank : (place + 1) * pack.rank]
        product = torch.bmm(ranks, pack.b[place][slots, :, :width]).view(-1, width)
        yield Update(rows, slice(start, start + width), product.index_select(0, stretch.places), None)
        start += width


def _stretch(groups: Sequence[Group]) -> Stretch:
    first, last = groups[0].slot, groups[-1].slot + 1
    longest = max(group.rows for group in groups)
    gather = [0] * ((last - first) * longest)
    places: dict[int, int] = {}
    for group in groups:
        place = (group.slot - first) * longest
        for row in (row for run in group.runs for row in range(*run)):
            gather[place] = row
            places[row] = place
            place += 1
    rows = sorted(places)
    return Stretch(
        first, last, longest, torch.tensor(gather), torch.tensor(rows), torch.tensor([places[row] for row in rows])
    )
