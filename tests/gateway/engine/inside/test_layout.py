from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.engine.inside.layout import BRIDGED, Group, Shape, divide, groups, stretches
from tests.gateway.engine.inside.cases import batches

shapes = st.builds(
    Shape, st.integers(1, 3), st.sampled_from([0, 24, 576]), st.sampled_from([24, 3072]), st.sampled_from([1, 8, 64])
)
ATTENTION = Shape(slices=3, inputs=576, outputs=960, rank=8)


def rows_of(group: Group) -> list[int]:
    return [row for run in group.runs for row in range(*run)]


@given(batches(9))
def test_every_row_with_an_adapter_is_in_that_adapters_group_and_no_other(slots: list[int]) -> None:
    found = {row: group.slot for group in groups(slots) for row in rows_of(group)}
    assert found == {row: slot for row, slot in enumerate(slots) if slot >= 0}


@given(batches(9), shapes)
def test_a_division_takes_every_group_exactly_once(slots: list[int], shape: Shape) -> None:
    given_groups = groups(slots)
    division = divide(given_groups, shape)
    taken = [*division.alone, *(group for stretch in division.together for group in stretch)]
    assert sorted(taken, key=lambda group: group.slot) == list(given_groups)


@given(batches(9))
def test_a_stretch_bridges_few_unused_slots(slots: list[int]) -> None:
    for stretch in stretches(groups(slots)):
        used = [group.slot for group in stretch]
        assert all(0 < after - before <= BRIDGED + 1 for before, after in pairwise(used))


def test_many_short_groups_are_computed_together() -> None:
    division = divide(groups(range(16)), ATTENTION)
    assert not division.alone
    assert [len(stretch) for stretch in division.together] == [16]


def test_long_groups_are_computed_alone_and_the_short_ones_beside_them_together() -> None:
    division = divide(groups([0] * 400 + [1, 2, 3, 4, 5, 6, 7, 8] + [9] * 300), ATTENTION)
    assert [group.slot for group in division.alone] == [0, 9]
    assert [len(stretch) for stretch in division.together] == [8]


def test_one_adapter_for_all_rows_needs_no_gathering() -> None:
    assert divide(groups([5] * 16), ATTENTION).together == ()
