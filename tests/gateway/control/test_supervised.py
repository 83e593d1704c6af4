"""Background tasks: an unforeseen error ends none of them, and readiness knows of it."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from postil.gateway.control.supervised import BackgroundTasks
from postil.registry.backoff import Backoff
from tests.gateway.conftest import House, until

SOON = Backoff(0.01, 0.02)


class Work:
    """Fails so many times, then runs on."""

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.runs = 0

    async def __call__(self) -> None:
        self.runs += 1
        if self.left:
            self.left -= 1
            raise ValueError("<html>an odd answer</html>")
        await asyncio.Event().wait()


async def test_a_task_that_fails_starts_again_and_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    tasks, work = BackgroundTasks(SOON, steady_seconds=60), Work(2)
    with caplog.at_level(logging.ERROR):
        tasks.start("reconciler", work)
        await until(lambda: work.runs == 3)
    assert (tasks.restarts, tasks.failing, tasks.broken) == ({"reconciler": 2}, ["reconciler"], [])
    assert [record.message for record in caplog.records] == [
        "background task reconciler failed; it starts again in 0.0 s"
    ] * 2
    await tasks.stop()


async def test_one_that_fails_again_and_again_is_broken_until_it_has_run_for_a_while() -> None:
    now = [0.0]
    tasks, work = BackgroundTasks(SOON, steady_seconds=30, clock=lambda: now[0]), Work(3)
    tasks.start("keys", work)
    await until(lambda: work.runs == 4)
    assert tasks.broken == ["keys"]
    now[0] = 30.0
    assert (tasks.broken, tasks.failing) == ([], [])
    await tasks.stop()


async def test_one_that_has_done_its_work_is_not_started_again() -> None:
    done = asyncio.Event()

    async def work() -> None:
        done.set()

    tasks = BackgroundTasks(SOON)
    tasks.start("coming up", work)
    await done.wait()
    await tasks.stop()
    assert tasks.restarts == {"coming up": 0}


async def test_tasks_are_stopped_one_by_one_or_all_together() -> None:
    tasks = BackgroundTasks(SOON)
    for name in "abc":
        tasks.start(name, Work(0))
    await tasks.stop("a")
    await tasks.stop()
    assert (tasks.failing, tasks.broken) == ([], [])


async def test_readiness_says_which_task_fails_and_refuses_where_it_does_not_recover(house: House) -> None:
    first, broken = Work(1), Work(1_000_000)
    house.runtime.tasks.start("test once", first)
    await until(lambda: first.runs == 2)
    answer = await house.client.get("/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "failing": ["test once"]})
    house.runtime.tasks.start("test broken", broken)
    await until(lambda: house.runtime.tasks.broken == ["test broken"])
    answer = await house.client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "degraded")
    assert (await house.admin("GET", "/api/v1/status")).json()["failing_tasks"] == ["test broken", "test once"]


async def test_one_that_waits_for_its_next_start_is_not_taken_for_well() -> None:
    now = [0.0]
    tasks, work = BackgroundTasks(Backoff(3600, 3600), steady_seconds=30, clock=lambda: now[0]), Work(1)
    tasks.start("keys", work)
    await until(lambda: tasks.failing == ["keys"])
    now[0] = 100.0
    assert (work.runs, tasks.failing) == (1, ["keys"])
    await tasks.stop()


async def test_another_thread_reads_them_while_tasks_are_started() -> None:
    tasks, stop, found = BackgroundTasks(SOON), threading.Event(), list[object]()

    def read() -> None:
        try:
            while not stop.is_set():
                found[:] = tasks.failing, tasks.broken, tasks.restarts
        except RuntimeError as error:
            found.append(error)

    reader = asyncio.create_task(asyncio.to_thread(read))
    await until(lambda: bool(found))
    for number in range(3000):
        tasks.start(str(number), Work(0))
    stop.set()
    await reader
    assert not isinstance(found[-1], Exception)
    await tasks.stop()
