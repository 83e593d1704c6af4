"""What is measured, in batches that the memory holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from postil.registry.training.methods.encoding import Encoded

pytestmark = pytest.mark.tune


def test_batches_hold_so_many_tokens_and_a_long_row_is_alone() -> None:
    from postil.registry.training.methods.measures import batches

    assert [*batches([9000, 3, *[2] * 8, 2000, 2000, 2000])] == [[*range(2, 10)], [1, 10], [11, 12], [0]]
    assert [*batches([])] == []


def test_logits_are_those_of_the_whole_row_before_each_learned_token(tiny_base: Path) -> None:
    import torch

    from postil.registry.training.methods.measures import answer_logits
    from postil.registry.training.model import load_base

    model, _ = load_base(tiny_base, 0)
    rows = [
        Encoded((5, 6, 7, 8, 9), (False, True, False, False, True), 1),
        Encoded((7, 8, 9), (False, False, True), 2),
    ]
    found = dict(answer_logits(model, rows))
    for place, before in ((0, [0, 3]), (1, [1])):
        with torch.no_grad():
            whole = model(input_ids=torch.tensor([rows[place].ids])).logits[0]
        assert torch.allclose(found[place], whole[before], atol=1e-5)
