"""vLLM's own queue between its processes, read with and without the naps. The measure is the processor's time."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
import time
from types import ModuleType
from typing import Any

import pytest

from postil.gateway.engine.vllm_plugin.idle_sleep import nap

pytestmark = pytest.mark.tune
IDLE_SECONDS = 0.5  # less than the second for which vLLM spins after a message


@pytest.fixture
def queue_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """vLLM's module, as it was again after the test."""
    module = importlib.import_module("vllm.distributed.device_communicators.shm_broadcast")
    monkeypatch.setattr(module, "sched_yield", module.sched_yield)
    return module


def reading(module: ModuleType) -> tuple[list[Any], float]:
    """Three messages, the last after IDLE_SECONDS: what was read, and the reader's share of a processor."""
    writer = module.MessageQueue(n_reader=1, n_local_reader=1)
    handle = writer.export_handle()
    found: list[Any] = []
    used = 0.0

    def read() -> None:
        nonlocal used
        reader = module.MessageQueue.create_from_handle(handle, 0)
        reader.wait_until_ready()
        found.extend(reader.dequeue(timeout=60) for _ in range(2))
        began, ran = time.monotonic(), time.thread_time()
        found.append(reader.dequeue(timeout=60))
        used = (time.thread_time() - ran) / (time.monotonic() - began)

    thread = threading.Thread(target=read)
    thread.start()
    writer.wait_until_ready()
    writer.enqueue("first")
    writer.enqueue({"second": 2})
    threading.Event().wait(IDLE_SECONDS)
    writer.enqueue(["third"])
    thread.join(timeout=60)
    return found, used


def test_a_reader_that_naps_reads_the_same_and_leaves_the_processor_to_others(queue_module: ModuleType) -> None:
    spun, spinning = reading(queue_module)
    nap(queue_module)
    napped, napping = reading(queue_module)
    assert spun == napped == ["first", {"second": 2}, ["third"]]
    assert napping < spinning / 2


def test_a_vllm_that_does_not_yield_is_left_alone() -> None:
    with pytest.raises(AttributeError, match="sched_yield"):
        nap(ModuleType("another"))


def test_a_process_naps_once_the_entry_point_was_called_however_often() -> None:
    code = """
import importlib
from postil.gateway.engine.vllm_plugin import idle_sleep, register
register.register()
register.register()
assert importlib.import_module(register.QUEUE).sched_yield is idle_sleep._nap
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "spin while they wait" not in done.stderr
