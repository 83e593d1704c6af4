"""What tests of traces share: a collector that the environment names, and a request with a trace."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.collector import Collector, running_collector
from tests.fakes.vllm import FakeVLLM

Engine = tuple[FakeVLLM, str]
ASKED = {"model": "healthcare", "messages": [{"role": "user", "content": "my secret illness"}]}
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CHAT = "/v1/chat/completions"


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """A collector that this process's environment names; batches leave every 20 ms."""
    async with running_collector() as (running, url):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        yield running
