"""``/metrics`` over the real engine: vLLM's own metrics are there, under the names that the dashboard asks for."""

from __future__ import annotations

import httpx
import pytest

from postil.gateway.telemetry import metric_table as metrics
from tests.engine.conftest import Served
from tests.gateway.telemetry.test_sums import read
from tests.test_observability import engine_names

pytestmark = pytest.mark.engine


def test_a_scrape_has_what_the_gateway_counts_and_what_the_dashboard_asks_of_vllm(served: Served) -> None:
    assert served.ask("demo-clinic", "my head hurts").status_code == 200
    key = (served.home / "admin.key").read_text(encoding="utf-8").strip()
    answer = httpx.get(f"{served.url}/metrics", headers={"Authorization": f"Bearer {key}"}, timeout=30)
    assert answer.status_code == 200, answer.text
    found = {name for name, _ in read(answer.content)}
    assert engine_names() <= found
    assert {metrics.REQUESTS, metrics.TOKENS, metrics.ENGINE_UP, metrics.RELEASE_LOADED, metrics.BUILD} <= found
    assert "vllm:lora_requests_info" not in found
