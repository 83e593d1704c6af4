"""Batches by what they take: what was always one batch stays one, and a long row is alone, and first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postil.registry.training.batches import ANSWERING, TRAINING, batches, is_long


def test_an_ordinary_batch_is_left_as_it_is() -> None:
    assert batches([60, 20, 64, 30, 41, 50, 64, 12], 150, TRAINING, 8) == [[*range(8)]]


def test_a_long_row_is_alone_and_first() -> None:
    lengths = [40, 2000, 41, 600, 39]
    assert batches(lengths, 100, TRAINING, 8) == [[1], [3], [2, 0, 4]]
    assert is_long(2000, 100, TRAINING)
    assert not is_long(41, 100, TRAINING)


def test_nothing_is_no_batch() -> None:
    assert batches([], 100, ANSWERING, 8) == []


@given(
    lengths=st.lists(st.integers(1, 4000), min_size=1, max_size=60),
    shared=st.integers(0, 500),
    most=st.sampled_from([TRAINING, ANSWERING]),
    rows=st.integers(1, 32),
)
def test_every_row_is_in_one_batch_within_its_bounds(lengths: list[int], shared: int, most: int, rows: int) -> None:
    made = batches(lengths, shared, most, rows)
    assert sorted(place for batch in made for place in batch) == [*range(len(lengths))]
    longest = [max(lengths[place] for place in batch) for batch in made]
    assert longest == sorted(longest, reverse=True)
    for batch, length in zip(made, longest, strict=True):
        assert len(batch) <= rows
        assert len(batch) == 1 or len(batch) * length * (426 + shared + length) <= most
