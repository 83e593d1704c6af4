"""Garbage collection while others publish: no file goes that somebody is about to name."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import pytest

from postil.registry.artifacts.local_store import LocalStore
from postil.registry.db import queries as store
from postil.registry.db.database import Database
from postil.registry.releases.service import Registry
from tests.registry.conftest import Publish
from tests.registry.releases.garbage_acts import TRIAGE, gc, has_files, log_holds
from tests.registry.releases.test_service import files


def another_gateway(registry: Registry, url: str, tmp_path: Path) -> Registry:
    """The same database and the same files, seen from elsewhere."""
    return Registry(Database(url), LocalStore.open(tmp_path / "artifacts"), registry.base, registry.plugins, max_rank=8)


def test_while_a_publish_has_not_named_its_files_nobody_collects(
    registry: Registry, publish: Publish, tmp_path: Path
) -> None:
    """It has added them and waits for the database, whose writers' lock is held here."""
    publisher = threading.Thread(target=publish)
    with registry.database.write() as session:
        store.lock_for_writing(session)
        publisher.start()
        while not files(tmp_path / "artifacts" / "sha256"):
            publisher.join(0.001)
        with (tmp_path / "artifacts" / "collecting.lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    publisher.join()
    assert gc(registry) == []
    assert has_files(registry, 1)


def test_publishing_and_collecting_at_once_loses_nothing_unsaid(
    registry: Registry, publish: Publish, url: str, tmp_path: Path
) -> None:
    """What is published is collected, over and over; in the end each release has its files, or says that it has not."""
    other, ending = another_gateway(registry, url, tmp_path), threading.Event()

    def keep_collecting() -> None:
        while not ending.is_set():
            gc(other, 0)

    collector = threading.Thread(target=keep_collecting)
    collector.start()
    try:
        for number in range(12):
            publish(seed=number % 3)
    finally:
        ending.set()
        collector.join()
    gone = {number for number in (1, 2, 3) if not has_files(registry, number)}
    assert gone == registry.state(TRIAGE).collected
    assert log_holds(registry)
    other.database.close()
