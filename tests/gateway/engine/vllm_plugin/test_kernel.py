"""The compiled loops by themselves: any number of threads, columns that are part of a wider tensor, what is refused."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest

pytestmark = pytest.mark.tune
SLOTS, RANK, INPUTS, WIDTHS = 5, 6, 40, (16, 7)


@pytest.fixture(scope="module")
def loops() -> ModuleType:
    return importlib.import_module("postil.gateway.engine.vllm_plugin.kernel")


@pytest.mark.parametrize("threads", [1, 2, 3, 64])
def test_every_row_gets_the_products_of_its_slot_with_any_number_of_threads(loops: ModuleType, threads: int) -> None:
    import torch

    a, b = torch.randn(SLOTS, len(WIDTHS) * RANK, INPUTS), torch.randn(SLOTS, RANK * sum(WIDTHS))
    ranks = torch.tensor([[6, 6], [0, 6], [5, 0], [1, 2], [0, 0]])
    rows = loops.Rows([(row, slot) for slot in range(SLOTS) for row in range(10 * slot, 10 * slot + 9)])
    rows.threads = threads
    x, y = torch.randn(50, INPUTS + 3)[:, 1:-2], torch.randn(50, sum(WIDTHS) + 4)
    exact = y.double()
    for row in (row for row in range(50) if row % 10 < 9):
        start = 0
        for place, width in enumerate(WIDTHS):
            rank = int(ranks[row // 10, place])
            shrunk = a[row // 10, place * RANK : place * RANK + rank].double() @ x[row].double()
            part = b[row // 10, RANK * start : RANK * (start + width)].double().view(RANK, width)
            exact[row, 2 + start : 2 + start + width] += 0.5 * (shrunk @ part[:rank])
            start += width
    loops.Weights(a, b, ranks, WIDTHS).add(y[:, 2:], x, rows, 0.5)
    torch.testing.assert_close(y, exact.float(), rtol=1e-4, atol=1e-4)


def test_without_openmp_one_thread_does_it(loops: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(loops, "_THREADING", ("of_no_library",))
    weights = loops.Weights(torch.ones(1, 1, 4), torch.ones(1, 3), torch.ones((1, 1), dtype=torch.int64), [3])
    weights._run = loops.Kernel().run
    rows, y = loops.Rows([(0, 0), (1, 0)]), torch.zeros(2, 3)
    rows.threads = 2
    weights.add(y, torch.ones(2, 4), rows, 1.0)
    assert y.equal(torch.full((2, 3), 4.0))


def test_weights_that_do_not_belong_together_are_refused(loops: ModuleType) -> None:
    import torch

    a, b, ranks = torch.zeros(2, 8, 5), torch.zeros(2, 8 * 3), torch.full((2, 1), 8)
    loops.Weights(a, b, ranks, [3])
    for wrong in ((a, b, ranks, [4]), (a, b[:1], ranks, [3]), (a, b, ranks + 1, [3]), (a.mT, b, ranks, [3])):
        with pytest.raises(ValueError, match="do not belong together"):
            loops.Weights(*wrong)
    with pytest.raises(ValueError, match="3 slots of 2"):
        loops.Weights(a, b, ranks, [3]).add(torch.zeros(1, 3), torch.zeros(1, 5), loops.Rows([(0, 2)]), 1.0)
