"""Whether and where traces are sent: what the environment says, and collectors that hang or refuse."""

from __future__ import annotations

import asyncio
import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from postil.gateway.errors import SettingsError
from postil.gateway.server.bootstrap import build
from postil.gateway.settings import Settings
from postil.gateway.telemetry.logging import log_to
from postil.gateway.telemetry.request_id import REQUEST_ID
from postil.gateway.telemetry.trace import RequestTrace, answered_under, current_trace, current_traceparent
from postil.gateway.telemetry.tracing import open_tracer
from postil.plugins.manager import PluginManager
from tests.fakes.collector import Collector
from tests.gateway.conftest import bearer, running_house, until
from tests.gateway.telemetry.traces import ASKED, CHAT, PARENT, Engine
from tests.gateway.telemetry.traces import collector as collector


async def test_the_service_has_a_name_which_the_environment_may_change(
    collector: Collector, tmp_path: Path, engine_at: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-of-the-collector=its%20key")
    for named in ("postil", "mine"):
        if named != "postil":
            monkeypatch.setenv("OTEL_SERVICE_NAME", named)
        collector.resources.clear()
        async with running_house(tmp_path, *engine_at) as house:
            await house.client.post(CHAT, json=ASKED)
        assert {said["service.name"] for said in collector.resources} == {named}
    assert collector.headers[-1][b"x-of-the-collector"] == b"its key"


async def test_what_is_left_is_exported_when_the_gateway_ends(
    collector: Collector, tmp_path: Path, engine_at: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    async with running_house(tmp_path, *engine_at) as house:
        await house.client.post(CHAT, json=ASKED)
        assert collector.asked == 0
    assert len(collector.roots()) == 1


async def test_a_collector_that_hangs_delays_no_answer_and_the_end_by_two_seconds_at_most(
    collector: Collector, tmp_path: Path, engine_at: Engine
) -> None:
    collector.gate.clear()
    async with running_house(tmp_path, *engine_at) as house:
        key = await house.tenant("clinic", "healthcare")
        await house.ask(key, model="base")
        await until(lambda: collector.asked == 1)
        for _ in range(20):
            assert (await house.ask(key, model="base")).status_code == 200
        tracer = house.runtime.context.tracer
        assert tracer is not None
        async with asyncio.timeout(8):  # Two seconds on a machine that has time.
            await tracer.stop()
        assert collector.roots() == []
        collector.gate.set()


async def test_a_collector_that_refuses_costs_a_line_in_the_log_and_no_answer(
    collector: Collector, tmp_path: Path, engine_at: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[str]:
        return [one.getMessage() for one in caplog.records if "collector" in one.getMessage()]

    collector.status = 400
    async with running_house(tmp_path, *engine_at) as house:
        key = await house.tenant("clinic", "healthcare")
        assert (await house.ask(key, model="base")).status_code == 200
        await until(lambda: len(told()) == 1)
        asked = collector.asked
        assert (await house.ask(key, model="base")).status_code == 200
        await until(lambda: collector.asked > asked)
        collector.status = 200
        assert (await house.ask(key, model="base")).status_code == 200
        await until(lambda: len(told()) == 2)
    assert told() == [
        "the collector of OTEL_EXPORTER_OTLP_ENDPOINT takes no traces; they are dropped until it does",
        "the collector takes traces again",
    ]


async def test_without_an_endpoint_nobody_is_told_of_a_trace(tmp_path: Path, engine_at: Engine) -> None:
    async with running_house(tmp_path, *engine_at) as house:
        key = await house.tenant("clinic", "healthcare")
        house.engine.parents.clear()
        headers = {**bearer(key), "traceparent": PARENT}
        await house.client.post(CHAT, headers=headers, json={**ASKED, "model": "base"})
        assert house.engine.parents == [""]
        assert house.runtime.context.tracer is None


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported() -> None:
    ask = (
        "import sys, postil.gateway.cli.run_server, postil.gateway.server.workers.main\n"
        "from postil.gateway.server.observed import open_traces\n"
        "assert open_traces() is None\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'opentelemetry'])"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_an_endpoint_without_the_packages_says_what_to_install() -> None:
    ask = (
        "import sys\n"
        "sys.modules['opentelemetry'] = None\n"
        "from postil.gateway.telemetry.tracing import open_tracer\n"
        "open_tracer('http://127.0.0.1:4318/v1/traces')"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert "pip install 'postil[otel]'" in last, done.stderr


def test_a_value_that_the_sdk_refuses_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "0")
    with pytest.raises(SettingsError, match=r"^one of the variables OTEL_\* has a value that is refused: "):
        open_tracer("http://127.0.0.1:1/v1/traces")


def test_a_gateway_with_a_wrong_endpoint_does_not_come_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://otel:4317")
    with pytest.raises(SettingsError, match=r"^OTEL_EXPORTER_OTLP_ENDPOINT has to be"):
        build(Settings(home=tmp_path / "home"), PluginManager())
    assert not (tmp_path / "home").exists()


async def test_a_line_of_the_log_names_the_trace_beside_the_request(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    written = io.StringIO()
    log_to(Console(file=written, width=200))
    tracer = open_tracer("http://127.0.0.1:1/v1/traces")
    span = tracer.server("POST /", [(b"traceparent", PARENT.encode())], {})
    token = REQUEST_ID.set("mine")
    try:
        with answered_under(RequestTrace(span)):
            logging.getLogger("tests.tracing").warning("a line")
    finally:
        REQUEST_ID.reset(token)
    assert current_trace() is None
    assert current_traceparent() == ""
    assert f"a line [mine trace {PARENT.split('-')[1]}]" in written.getvalue()
    await tracer.stop()
