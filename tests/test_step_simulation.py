"""Short simulations of canaries in steps; ``tests.benchmarks.step_simulation`` runs the long ones."""

from __future__ import annotations

from tests.benchmarks.step_simulation import STEPS, World, simulate

# Smaller than in earnest, so that it is quick.
NEEDED = 60


def test_a_release_that_is_as_good_gets_through_all_steps() -> None:
    runs = [simulate(World(0.01, needed=NEEDED), seed) for seed in range(20)]
    assert sum(run.through for run in runs) >= 18


def test_a_release_that_fails_half_the_time_is_found_before_the_second_step() -> None:
    runs = [simulate(World(0.5, needed=NEEDED), seed) for seed in range(20)]
    assert all(run.alarm and run.step == 0 for run in runs)


def test_a_tenant_that_is_alone_with_an_adapter_raises_its_canary_by_itself() -> None:
    world = World(0.01, tenants=1, needed=NEEDED)
    assert {simulate(world, seed).step for seed in range(3)} == {len(STEPS) - 1}
