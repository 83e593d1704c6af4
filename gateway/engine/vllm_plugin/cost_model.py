"""Which rows of a batch belong to which adapter, and in which way each adapter's product is cheapest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import itemgetter

NO_ADAPTER = -1

# Fitted to the layers of a model of 135M parameters (one thread, AVX2, float32), ranks 8 and 32, 1 to 1024 rows of an
# adapter, each way timed by itself; `tests/benchmarks/lora_kernels.py` times what is chosen. They need to be right in
# proportion, not on every machine: near the crossing both ways cost about the same.
CALL_NS = 7500.0  # one torch operation on tensors so small that it costs nothing else, and the views it is given
ALONE_NS = (0.30, 0.0225)  # per weight of the adapter: reading it, and each row multiplied by it
OUTPUT_NS = 0.66  # per output of a row: torch goes through all of them again to add a product of few ranks
BY_ROW_NS = (0.18, 0.065)  # per weight, as above, in the compiled loops, which need no call of their own for each group


@dataclass(frozen=True)
class Group:
    """The rows of one adapter: its slot, and the stretches ``[start, stop)`` of rows that follow each other."""

    slot: int
    runs: tuple[tuple[int, int], ...]

    @cached_property
    def rows(self) -> int:
        """How many rows."""
        return sum(stop - start for start, stop in self.runs)


@dataclass(frozen=True)
class Shape:
    """What the cost of a layer depends on: its slices, the sizes of its input and its output, and the rank."""

    slices: int
    inputs: int
    outputs: int
    rank: int

    @property
    def weights(self) -> int:
        """How many weights one adapter has here."""
        return self.rank * (self.slices * self.inputs + self.outputs)


@dataclass(frozen=True)
class Division:
    """``alone``: groups with products of their own. ``by_row``: those that the compiled loops do, in order of slots."""

    alone: tuple[Group, ...]
    by_row: tuple[Group, ...]


def groups(slots: Sequence[int]) -> tuple[Group, ...]:
    """The rows by adapter, in the order of slots. ``slots[i]`` is the slot of row ``i``, -1 for none."""
    runs: dict[int, list[tuple[int, int]]] = {}
    for slot, run in groupby(enumerate(slots), key=itemgetter(1)):
        rows = [row for row, _ in run]
        if slot != NO_ADAPTER:
            runs.setdefault(slot, []).append((rows[0], rows[-1] + 1))
    return tuple(Group(slot, tuple(runs[slot])) for slot in sorted(runs))


def divide(of: Iterable[Group], shape: Shape, *, loops: bool = True) -> Division:
    """The cheapest way for each group; without ``loops`` all stand alone."""
    alone: list[Group] = []
    by_row: list[Group] = []
    for group in of:
        long = not loops or _alone_ns(group, shape) < _by_row_ns(group, shape)
        (alone if long else by_row).append(group)
    return Division(tuple(alone), tuple(by_row))


def _alone_ns(group: Group, shape: Shape) -> float:
    read, multiply = ALONE_NS
    each = CALL_NS * (1 + shape.slices) + shape.weights * read
    return len(group.runs) * each + group.rows * (shape.weights * multiply + shape.outputs * OUTPUT_NS)


def _by_row_ns(group: Group, shape: Shape) -> float:
    read, multiply = BY_ROW_NS
    return shape.weights * (read + multiply * group.rows)
