"""Order and noise of the examples follow from seed, epoch and place; steps count tokens, however they are cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from postil.registry.training.train import train
from tests.registry.training.test_train import Diary, options

pytestmark = pytest.mark.tune


def test_an_epoch_has_its_own_order_whenever_it_is_begun() -> None:
    from postil.registry.training.rows import Order

    def epoch(number: int, seed: int = 0) -> list[int]:
        order = Order([place % 7 for place in range(50)], 8, seed)
        order.set_epoch(number)
        drawn = list(order)
        assert {at for at, _ in drawn} == {number}
        assert sorted(place for _, place in drawn) == list(range(len(order)))
        return [place for _, place in drawn]

    assert epoch(1) == epoch(1)
    assert len({tuple(epoch(number, seed)) for number in range(3) for seed in range(2)}) == 6


def test_batches_that_are_accumulated_teach_what_one_teaches(
    tiny_base: Path, data: tuple[Path, Path], tmp_path: Path
) -> None:
    """Their answers differ in length, so a mean of means would be another."""
    for path in data:
        path.write_text(path.read_text().replace("billing", "all that has to do with billing"))
    few = {"epochs": 1, "noise": 0.5}
    whole, parts = Diary(), Diary()
    train(options(tiny_base, data, tmp_path / "whole", **few), whole)
    train(options(tiny_base, data, tmp_path / "parts", batch_size=2, accumulation=4, **few), parts)
    assert parts.steps == whole.steps == len(parts.losses)
    assert parts.losses == pytest.approx(whole.losses, rel=1e-3)
