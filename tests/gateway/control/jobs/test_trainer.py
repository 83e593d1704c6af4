"""The processes that train: none is left, whenever the gateway gives up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest

from postil.gateway.control.jobs.trainer import Trainers
from tests.gateway.control.jobs.work import FAKE


def training() -> list[psutil.Process]:
    """The processes of this one that train, also those of which nobody took the status."""
    return [each for each in psutil.Process().children() if FAKE.module in each.cmdline() or each.status() == "zombie"]


async def test_who_gives_up_while_a_process_is_started_leaves_none(tmp_path: Path) -> None:
    trainers = Trainers(FAKE, 1 << 30, tmp_path / "logs")
    (tmp_path / "job").mkdir()
    before = training()
    starting = asyncio.create_task(trainers.start(tmp_path / "job"))
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert training() == before
    assert (tmp_path / "logs" / "training.log").exists(), "none was started"
    trainers.close()


async def test_who_gives_up_on_a_process_that_cannot_be_started_is_done(tmp_path: Path) -> None:
    trainers = Trainers(FAKE, 1 << 30, tmp_path / "logs")
    starting = asyncio.create_task(trainers.start(tmp_path / "absent"))
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    with pytest.raises(FileNotFoundError):
        await trainers.start(tmp_path / "absent")
    trainers.close()
