"""Which rows of a batch belong to which adapter, and in which way each adapter's product is cheapest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import itemgetter

NO_ADAPTER = -1

# Fitted to one decoding step of a model of 135M parameters (one thread, AVX2, float32) for batches of 1 to 64 adapters,
# each way timed by itself; `tests/benchmarks/lora_kernels.py` times what is chosen.
# They need to be right in proportion, not on every machine: near the crossing both ways cost about the same.
CALL_NS = 3000.0  # one torch operation on tensors so small that it costs nothing else
ALONE_NS = (0.30, 0.025)  # per weight of the adapter: reading it, and each row multiplied by it
TOGETHER_NS = (0.35, 0.060)  # the same in a batched product, where rows are padded to the longest group
BRIDGED = 2  # unused slots that are computed along rather than starting another batched product


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
    """``alone``: groups with products of their own. ``together``: stretches of slots, each one batched product."""

    alone: tuple[Group, ...]
    together: tuple[tuple[Group, ...], ...]


def groups(slots: Sequence[int]) -> tuple[Group, ...]:
    """The rows by adapter, in the order of slots. ``slots[i]`` is the slot of row ``i``, -1 for none."""
    runs: dict[int, list[tuple[int, int]]] = {}
    for slot, run in groupby(enumerate(slots), key=itemgetter(1)):
        rows = [row for row, _ in run]
        if slot != NO_ADAPTER:
            runs.setdefault(slot, []).append((rows[0], rows[-1] + 1))
    return tuple(Group(slot, tuple(runs[slot])) for slot in sorted(runs))


def divide(of: Iterable[Group], shape: Shape) -> Division:
    """The cheapest division. The longest groups are the first to stand alone: the others would be padded to them."""
    longest_first = sorted(of, key=lambda group: group.rows, reverse=True)
    best: tuple[float, int] | None = None
    spent = 0.0
    for alone in range(len(longest_first) + 1):
        rest = stretches(longest_first[alone:])
        cost = spent + sum(_together_ns(stretch, shape) for stretch in rest)
        if best is None or cost < best[0]:
            best = (cost, alone)
        if alone < len(longest_first):
            spent += _alone_ns(longest_first[alone], shape)
    count = best[1] if best else 0
    return Division(tuple(longest_first[:count]), stretches(longest_first[count:]))


def stretches(of: Iterable[Group]) -> tuple[tuple[Group, ...], ...]:
    """The groups whose slots lie beside each other or nearly so: their weights are one view, without a copy."""
    found: list[list[Group]] = []
    for group in sorted(of, key=lambda group: group.slot):
        if found and group.slot - found[-1][-1].slot <= BRIDGED + 1:
            found[-1].append(group)
        else:
            found.append([group])
    return tuple(tuple(stretch) for stretch in found)


def _alone_ns(group: Group, shape: Shape) -> float:
    read, multiply = ALONE_NS
    calls = len(group.runs) * (1 + shape.slices) * CALL_NS
    return calls + shape.weights * (read * len(group.runs) + multiply * group.rows)


def _together_ns(stretch: Sequence[Group], shape: Shape) -> float:
    read, multiply = TOGETHER_NS
    longest = max(group.rows for group in stretch)
    slots = stretch[-1].slot - stretch[0].slot + 1
    return (2 + 3 * shape.slices) * CALL_NS + slots * shape.weights * (read + multiply * longest)
