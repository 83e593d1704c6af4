"""Since when somebody waits and nothing has come."""

from __future__ import annotations

from postil.gateway.engine.health.activity import EngineActivity


class Clock:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_nobody_waits_for_an_engine_that_nobody_asks() -> None:
    clock = Clock()
    activity = EngineActivity(clock)
    activity.asked()
    activity.heard()
    activity.done(well=True)
    clock.now += 1000
    assert activity.silent_seconds == 0


def test_new_requests_do_not_hide_that_the_first_is_not_answered() -> None:
    clock = Clock()
    activity = EngineActivity(clock)
    for _ in range(5):
        activity.asked()
        clock.now += 2
    assert activity.silent_seconds == 10
    activity.heard()
    assert activity.silent_seconds == 0


def test_clients_who_give_up_do_not_hide_it_either() -> None:
    clock = Clock()
    activity = EngineActivity(clock)
    for _ in range(5):
        activity.asked()
        clock.now += 2
        activity.done(well=False)
    assert activity.silent_seconds == 10


def test_a_stream_that_stands_still_is_silent_from_its_last_chunk_on() -> None:
    clock = Clock()
    activity = EngineActivity(clock)
    activity.asked()
    clock.now += 5
    activity.heard()
    clock.now += 3
    assert activity.silent_seconds == 3
