"""Traces of a gateway with workers: each exports its own, and what is left of them when it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fakes.collector import running_collector, values
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import FREE_TEXT, bearer
from tests.gateway.server.workers.conftest import ASKED, NAME, everybody, running_pool

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


async def test_each_worker_exports_what_it_answered_at_the_latest_when_it_ends(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_collector() as (collector, url):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
        async with running_pool(tmp_path, *engine_at) as house, everybody(house) as clients:
            await house.publish(NAME, FREE_TEXT)
            headers = {**bearer(await house.tenant("clinic", "healthcare")), "traceparent": PARENT}
            for client in clients:
                answer = await client.post("/v1/chat/completions", headers=headers, json=ASKED)
                assert answer.status_code == 200
            assert collector.asked == 0
            await house.runtime.workers.drain()
        roots = collector.roots()
        assert [root.trace_id.hex() for root in roots] == [TRACE] * len(clients)
        for root in roots:
            assert values(root.attributes)["postil.release"] == f"{NAME}@1"
            assert [part.name for part in collector.parts_of(root)] == ["postil.admission", f"chat {NAME}@1"]
        processes = {said["process.pid"] for said in collector.resources}
        assert len(processes) == len(clients)
        assert os.getpid() not in processes
