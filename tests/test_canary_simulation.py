"""Short simulations of the test of one tenant's requests; ``tests.benchmarks.canary_simulation`` runs the long ones.

What weighing by tenant changes is in ``test_tenant_simulation``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from postil.gateway.control.analysis.betting import Tolerance
from postil.gateway.control.analysis.comparison import TOLERANCE
from tests.benchmarks.canary_runs import STRICT, Blocks, Many, Peeking, World, bounds, draw, simulate
from tests.benchmarks.pooled import BLOCK, Proportions

Stream = list[tuple[bool, bool]]


def stream(rng: np.random.Generator, weight: float, old_rate: float, new_rate: float, requests: int) -> Stream:
    """Requests as they come: for the new side or not, failed or not."""
    on_new = rng.random(requests) < weight
    failed = rng.random(requests) < np.where(on_new, new_rate, old_rate)
    return list(zip(on_new.tolist(), failed.tolist(), strict=True))


def blocks_of(requests: Stream) -> Iterator[tuple[list[bool], list[bool]]]:
    """The outcomes of both sides, block by block."""
    open_block: tuple[list[bool], list[bool]] = ([], [])
    for on_new, failed in requests:
        open_block[on_new].append(failed)
        if all(open_block):
            yield open_block
            open_block = ([], [])


def counted(block: tuple[list[bool], list[bool]]) -> Blocks:
    """The same, as the simulation counts it."""
    numbers = []
    for side in block:
        numbers += [len(side), sum(side[:BLOCK]), sum(side[BLOCK:])]
    return Blocks(*(np.array([number]) for number in numbers))


@pytest.mark.parametrize("tolerance", [TOLERANCE, STRICT, Tolerance(2.0, 0.001)])
@pytest.mark.parametrize(
    ("weight", "old_rate", "new_rate"),
    [(0.004, 0.01, 0.9), (0.05, 0.001, 0.03), (0.05, 0.2, 0.35), (0.5, 0.05, 0.06), (0.5, 0.4, 0.9), (0.995, 0.1, 0.4)],
)
def test_the_simulation_computes_what_the_pooled_test_does(
    tolerance: Tolerance, weight: float, old_rate: float, new_rate: float
) -> None:
    requests = stream(np.random.default_rng(7), weight, old_rate, new_rate, 4_000)
    many = Many(1, tolerance)
    simulated = [0.0]
    for block in blocks_of(requests):
        many.close(counted(block))
        simulated.append(float(many.log_e[0]))
    one, computed = Proportions(tolerance), [0.0]
    for on_new, failed in requests:
        (one.new if on_new else one.old)(failed)
        computed.append(one.log_e)
    assert len(set(simulated)) > 5
    assert [*dict.fromkeys(np.round(computed, 9))] == [*dict.fromkeys(np.round(simulated, 9))]


@pytest.mark.parametrize("weight", [0.004, 0.05, 0.5, 0.9])
def test_the_simulation_draws_blocks_such_as_requests_make(weight: float) -> None:
    rng = np.random.default_rng(11)
    made = [[len(old), len(new)] for old, new in blocks_of(stream(rng, weight, 0, 0, 400_000))]
    runs = np.ones(100_000)
    drawn = draw(rng, weight * runs, 0.1 * runs, 0.3 * runs)
    assert np.mean(made, axis=0) == pytest.approx([drawn.old_size.mean(), drawn.new_size.mean()], rel=0.1)
    old_failed, new_failed = drawn.old_failed + drawn.old_failed_beyond, drawn.new_failed + drawn.new_failed_beyond
    assert old_failed.sum() / drawn.old_size.sum() == pytest.approx(0.1, rel=0.05)
    assert new_failed.sum() / drawn.new_size.sum() == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize("weight", [0.05, 0.5])
@pytest.mark.parametrize("rate", [0.001, 0.01, 0.05, 0.2])
@pytest.mark.parametrize("edge", [False, True], ids=["same", "edge"])
def test_false_alarms_are_no_more_frequent_than_stated(rate: float, weight: float, edge: bool) -> None:
    new_rate = TOLERANCE.ratio * rate + TOLERANCE.extra if edge else rate
    alarms = simulate(World(rate, new_rate, weight), runs=1_000, horizon=1_500, seed=3, threshold=1 / 0.05) > 0
    assert bounds(int(alarms.sum()), alarms.size)[0] <= 0.05
    # With so low a threshold there are some at the edge, or the simulation would show nothing.
    assert alarms.any() or not edge


def test_a_test_that_is_made_to_be_looked_at_once_would_be_caught() -> None:
    alarms = simulate(World(0.2, 0.2, 0.05), runs=1_000, horizon=1_500, seed=3, kind=Peeking) > 0
    assert bounds(int(alarms.sum()), alarms.size)[0] > 0.05


@pytest.mark.parametrize(
    ("old_rate", "new_rate", "weight", "within", "share"),
    [
        (0.001, 1.0, 0.05, 10, 1.0), (0.001, 1.0, 0.5, 20, 0.99),
        (0.01, 0.2, 0.05, 100, 0.99), (0.01, 0.2, 0.5, 300, 0.99),
        (0.01, 0.05, 0.05, 1_000, 0.99), (0.05, 0.1, 0.05, 2_000, 0.99), (0.05, 0.2, 0.5, 1_000, 0.99),
    ],
)  # fmt: skip
def test_a_worse_release_is_found_by_its_nth_request(
    old_rate: float, new_rate: float, weight: float, within: int, share: float
) -> None:
    alarms = simulate(World(old_rate, new_rate, weight), runs=1_000, horizon=within, seed=5)
    assert bounds(int((alarms > 0).sum()), alarms.size)[1] >= share
    assert (alarms > 0).mean() >= share - 0.02


def test_a_release_that_turns_bad_late_is_found_too() -> None:
    alarms = simulate(World(0.01, 0.01, 0.05, later=(2_000, 0.2)), runs=1_000, horizon=2_400, seed=5)
    assert (alarms > 2_000).mean() >= 0.98


def test_a_run_without_an_alarm_says_so() -> None:
    assert simulate(World(0.0, 0.0, 0.5), runs=10, horizon=50, seed=1).tolist() == [0] * 10


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"), [(0, 1_000, 0.0, 0.005284), (10, 1_000, 0.003727, 0.021276), (5, 5, 0.346572, 1.0)]
)
def test_bounds_are_exact(hits: int, of: int, low: float, high: float) -> None:
    assert list(bounds(hits, of)) == pytest.approx([low, high], abs=1e-6)
