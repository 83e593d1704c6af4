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

    ``gather[i]`` is the row that comes to place ``i``; ``rows[j]`` receives what came out at ``places[j]``. None where
    the rows lie in the order of their slots, one each, and nothing has to be moved.
    """

    first: int
    last: int
    longest: int
    gather: torch.Tensor | None
    rows: torch.Tensor
    places: torch.Tensor | None


@dataclass(frozen=True)
class Plan:
    """How one layer is computed for one batch."""

    alone: tuple[Group, ...]
    together: tuple[Stretch, ...]

    @classmethod
    def of(cls, groups: Sequence[Group], shape: Shape, rows: int) -> Plan:
        """The cheapest one, for a batch of ``rows``."""
        division: Division = divide(groups, shape)
        return cls(division.alone, tuple(_stretch(stretch, rows) for stretch in division.together))


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
        part = y if self._columns == slice(0, y.size(1)) else y[:, self._columns]
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
    a, b = pack.operands(group.slot, group.slot + 1)
    for run in group.runs:
        left = x[slice(*run)]
        if a is not None:
            left = left @ a[0]
        if scale != 1.0:
            left = left * scale
        start = 0
        for place, width in enumerate(widths):
            ranks = left[:, place * pack.rank : (place + 1) * pack.rank]
            yield Update(run, slice(start, start + width), ranks, b[place][0, :, :width])
            start += width


def _together(x: torch.Tensor, pack: Pack, stretch: Stretch, widths: Sequence[int], scale: float) -> Iterator[Update]:
    a, b = pack.operands(stretch.first, stretch.last)
    left = x if stretch.gather is None else x.index_select(0, stretch.gather)
    left = left.view(stretch.last - stretch.first, stretch.longest, x.size(1))
    if a is not None:
        left = torch.bmm(left, a)
    if scale != 1.0:
        left = left * scale
    rows: tuple[int, int] | torch.Tensor = stretch.rows
    # Every row of the batch, in order: added as it is, which is quicker than row by row.
    if len(stretch.rows) == x.size(0):
        rows = (0, x.size(0))
    start = 0
    for place, width in enumerate(widths):
        ranks = left[:, :, place * pack.rank : (place + 1) * pack.rank]
        product = torch.bmm(ranks, b[place])[:, :, :width].reshape(-1, width)
        if stretch.places is not None:
            product = product.index_select(0, stretch.places)
        yield Update(rows, slice(start, start + width), product, None)
        start += width


def _stretch(groups: Sequence[Group], total: int) -> Stretch:
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
    receive = torch.tensor(rows)
    if gather == rows:
        # Rows of this batch that are all of it need no gathering either.
        return Stretch(first, last, longest, None if rows[-1] + 1 == len(rows) == total else receive, receive, None)
    return Stretch(first, last, longest, torch.tensor(gather), receive, torch.tensor([places[row] for row in rows]))
