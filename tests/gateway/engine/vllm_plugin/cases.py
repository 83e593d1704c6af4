"""What the tests draw: adapters in slots, and batches for them. Plain values, so that nothing slow is imported."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

INPUTS = 24
MOST_ROWS = 512


@dataclass(frozen=True)
class Case:
    """A layer with ``slots`` slots, of which ``ranks`` names those that hold an adapter, and its rank."""

    slots: int
    max_rank: int
    widths: tuple[int, ...]
    ranks: dict[int, int]
    seed: int
    dtype: str


@st.composite
def cases(draw: st.DrawFn, slices: int = 3) -> Case:
    """Full, half-full and empty layers of one slice or more."""
    slots = draw(st.integers(1, 9))
    max_rank = draw(st.sampled_from([1, 8, 16]))
    held = draw(st.dictionaries(st.integers(0, slots - 1), st.integers(1, max_rank), max_size=slots))
    widths = tuple(draw(st.lists(st.sampled_from([1, 5, 16, 48]), min_size=1, max_size=slices)))
    dtype = draw(st.sampled_from(["float32", "bfloat16"]))
    return Case(slots, max_rank, widths, held, draw(st.integers(0, 1000)), dtype)


@st.composite
def batches(draw: st.DrawFn, slots: int) -> list[int]:
    """The slot of each row: single rows as in decoding, long runs as in prefill, mixed, with base rows (-1) between."""
    run = st.tuples(st.integers(-1, slots - 1), st.sampled_from([1, 1, 1, 2, 7, 40]))
    return [slot for slot, rows in draw(st.lists(run, min_size=1, max_size=10)) for _ in range(rows)]
