from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postil.gateway.engine.vllm_plugin.cost_model import Group, Shape, divide, groups
from tests.gateway.engine.vllm_plugin.cases import batches

shapes = st.builds(
    Shape, st.integers(1, 3), st.sampled_from([0, 24, 576]), st.sampled_from([24, 3072]), st.sampled_from([1, 8, 64])
)
ATTENTION = Shape(slices=3, inputs=576, outputs=960, rank=8)
WIDE = Shape(slices=3, inputs=576, outputs=960, rank=64)


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
    taken = [*division.alone, *division.by_row]
    assert sorted(taken, key=lambda group: group.slot) == list(given_groups)


@given(batches(9), shapes)
def test_where_the_loops_cannot_do_a_layer_every_group_stands_alone(slots: list[int], shape: Shape) -> None:
    assert divide(groups(slots), shape, loops=False).alone == groups(slots)


def test_adapters_with_few_rows_each_are_left_to_the_loops() -> None:
    division = divide(groups(range(16)), ATTENTION)
    assert not division.alone
    assert [group.slot for group in division.by_row] == list(range(16))


def test_long_groups_are_computed_alone_and_the_short_ones_beside_them_by_row() -> None:
    division = divide(groups([0] * 400 + [1, 2, 3, 4, 5, 6, 7, 8] + [9] * 300), WIDE)
    assert [group.slot for group in division.alone] == [0, 9]
    assert [group.slot for group in division.by_row] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_one_long_adapter_is_computed_alone_if_its_rank_is_high() -> None:
    assert divide(groups([5] * 64), WIDE).by_row == ()
    assert divide(groups([5] * 64), ATTENTION).alone == ()
