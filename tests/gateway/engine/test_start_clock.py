"""How long who finds no engine is told to wait: what is left of what the last start took."""

from __future__ import annotations

import math

from postil.gateway.engine.start_clock import StartClock, retry_after
from tests.gateway.conftest import House


def left(clock: StartClock, now: float) -> int:
    return retry_after(clock.ready_by, now)


def test_while_an_engine_restarts_retry_after_is_what_is_left_of_the_last_start() -> None:
    now = [100.0]
    clock = StartClock(lambda: now[0])
    assert left(clock, 100) == 5
    clock.starts()
    assert left(clock, 100) == 30  # Nobody knows yet.
    now[0] = 142
    clock.is_ready()
    assert (clock.ready_by, left(clock, 142)) == (None, 5)
    now[0] = 200
    clock.starts(after=8)  # It waits before it starts again.
    assert [left(clock, at) for at in (200, 200.1, 210, 249.5, 250, 260)] == [50, 50, 40, 1, 5, 5]
    clock.starts()
    now[0] = 210
    clock.is_ready()
    clock.is_ready()
    clock.starts()
    assert left(clock, 210) == 10


def test_no_client_is_told_more_than_a_minute() -> None:
    assert retry_after(1000.0, 0.0) == retry_after(math.inf, 0.0) == 60


async def test_a_client_that_finds_the_engine_down_is_told_when_it_should_be_up(house: House) -> None:
    ready_by = house.runtime.engine.ready_by
    assert ready_by is None
    house.engine.healthy = False
    key = house.admin_key
    house.runtime.engine.client.on_unhealthy()
    answer = await house.ask(key, model="base")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine_unavailable")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    house.runtime.registry.problem = "it cannot start"
    failed = await house.ask(key, model="base")
    assert failed.headers["retry-after"] == "60"
