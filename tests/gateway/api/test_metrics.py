"""``/metrics`` of a whole gateway: what requests did is in it, and who may read it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import event

from postil.gateway.telemetry import metric_table as metrics
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.conftest import FREE_TEXT, TRIAGE, House, bearer, running_house, until
from tests.gateway.telemetry.test_sums import read

NAME = "healthcare/triage"
HELD = f"{TRIAGE.replace('fixed_answer', 'review')}"
Samples = dict[tuple[str, tuple[str, ...]], float]


async def scraped(house: House) -> Samples:
    """Everything that the gateway tells now: the text that is kept for a while is thrown away."""
    house.runtime.metrics.kept_seconds = 0.0
    answer = await house.admin("GET", "/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return read(answer.content)


async def test_requests_are_counted_by_release_channel_and_how_they_ended(house: House, clinic: str) -> None:
    assert (await house.ask(clinic)).status_code == 200
    house.engine.reply = lambda body: Reply('{"category": "nonsense"}')
    assert "x-postil-fallback" in (await house.ask(clinic)).headers
    house.engine.reply = lambda body: Reply('{"category": "billing"}')
    assert (await house.ask(clinic, stream=True)).status_code == 200
    found = await scraped(house)
    assert found[metrics.REQUESTS, (NAME, "1", "stable", "answered")] == 2
    assert found[metrics.REQUESTS, (NAME, "1", "stable", "fallback")] == 1
    assert found[metrics.VERDICTS, (NAME, "1", "labels", "passed")] == 2
    assert found[metrics.VERDICTS, (NAME, "1", "labels", "failed")] == 1
    assert found[f"{metrics.DURATION}_count", (NAME, "1")] == 3
    assert found[f"{metrics.QUEUE_WAIT}_count", ()] == 3
    assert found[metrics.ENGINE_REQUESTS, (NAME, "1", "answer")] == 3
    assert found[metrics.TOKENS, (NAME, "1", "prompt")] > 0


async def test_a_stream_is_timed_to_its_first_bytes_and_the_base_is_counted(house: House) -> None:
    await house.publish("healthcare/advice", FREE_TEXT)
    key = await house.tenant("clinic", "healthcare")
    assert (await house.ask(key, stream=True)).status_code == 200
    assert (await house.ask(key, model="base")).status_code == 200
    found = await scraped(house)
    assert found[f"{metrics.FIRST_CHUNK}_count", ("healthcare/advice", "1")] == 1
    assert found[metrics.ENGINE_REQUESTS, ("base", "", "answer")] == 1


async def test_the_state_of_engine_adapters_and_releases_is_told(house: House, clinic: str) -> None:
    await house.publish(NAME, seed=1, live=False)
    body = {"release": 2, "weight": 5}
    canary = await house.admin("PUT", f"/api/v1/adapters/{NAME}/channels/canary", json=body)
    assert canary.status_code == 200, canary.text
    found = await scraped(house)
    assert found[metrics.ENGINE_UP, ()] == 1
    assert found[metrics.RELEASE_INFO, (NAME, "1", "live")] == found[metrics.RELEASE_INFO, (NAME, "2", "canary")] == 1
    assert found[metrics.RELEASE_LOADED, (NAME, "1")] == 1
    assert found[metrics.LOADED, ()] == 2
    assert found[metrics.WEIGHT, (NAME, "canary")] == pytest.approx(0.05)
    assert found[metrics.EVALUE, (NAME, "fallbacks")] < found[metrics.THRESHOLD, (NAME, "fallbacks")]
    assert found[metrics.ROLLOUTS, (NAME, "promote")] == found[metrics.ROLLOUTS, (NAME, "canary")] == 1


async def test_a_rollback_is_told_apart_from_a_promotion(house: House, clinic: str) -> None:
    await house.publish(NAME, seed=1)
    assert (await house.admin("POST", f"/api/v1/adapters/{NAME}/rollback", json={"reason": "bad"})).status_code == 200
    found = await scraped(house)
    assert found[metrics.ROLLOUTS, (NAME, "rollback")] == 1
    assert found[metrics.ROLLOUTS, (NAME, "promote")] == 2


async def test_answers_that_a_person_has_to_decide_on_are_told(house: House) -> None:
    await house.publish(NAME, HELD)
    key = await house.tenant("clinic", "healthcare")
    house.engine.reply = lambda body: Reply('{"category": "nonsense"}')
    assert (await house.ask(key)).status_code == 200
    await house.runtime.review_counts.read()
    found = await scraped(house)
    assert found[metrics.REQUESTS, (NAME, "1", "stable", "held")] == 1
    assert found[metrics.REVIEWS_OPEN, ("healthcare",)] == 1
    assert found[metrics.OLDEST_REVIEW, ("healthcare",)] >= 0


async def test_only_a_metrics_key_and_an_admin_may_read_and_a_metrics_key_may_nothing_else(house: House) -> None:
    key = (await house.admin("POST", "/api/v1/keys", json={"owner": "prometheus", "role": "metrics"})).json()["key"]
    assert (await house.client.get("/metrics", headers=bearer(key))).status_code == 200
    assert (await house.client.get("/api/v1/status", headers=bearer(key))).status_code == 403
    assert (await house.client.get("/v1/models", headers=bearer(key))).status_code == 403
    assert (await house.client.get("/metrics")).status_code == 401
    viewer = (await house.admin("POST", "/api/v1/keys", json={"owner": "eve", "role": "viewer"})).json()["key"]
    refused = await house.client.get("/metrics", headers=bearer(viewer))
    assert refused.status_code == 403
    assert "`metrics`" in refused.text
    tenant = await house.tenant("clinic", "healthcare")
    assert (await house.client.get("/metrics", headers=bearer(tenant))).status_code == 403


async def test_a_scrape_asks_no_database_and_many_at_a_time_make_one_text(house: House, clinic: str) -> None:
    await house.runtime.tasks.stop()
    asked: list[str] = []
    engine = house.runtime.registry.database().engine
    event.listen(engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    before = house.engine.asked
    answers = await asyncio.gather(*(house.admin("GET", "/metrics") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert asked == []
    assert house.engine.asked - before <= 1


async def test_what_the_engine_tells_is_passed_on_but_for_the_names_of_adapters(house: House) -> None:
    house.engine.counts = [b'vllm:num_requests_waiting{engine="0"} 7.0\nvllm:lora_requests_info{x="lora-1"} 1.0\n'] * 9
    found = await scraped(house)
    assert found["vllm:num_requests_waiting", ("0",)] == 7
    assert not any(name.startswith("vllm:lora") for name, _ in found)


async def test_a_release_that_answers_nobody_any_more_is_left_out_after_a_while(house: House, clinic: str) -> None:
    now = 0.0
    house.runtime.metrics.clock = lambda: now
    assert (await house.ask(clinic)).status_code == 200
    await house.publish(NAME, seed=1)
    first = (metrics.REQUESTS, (NAME, "1", "stable", "answered"))
    assert first in await scraped(house)
    now = 899.0
    assert first in await scraped(house)
    now = 1800.0
    assert first not in await scraped(house)
    assert (await house.ask(clinic)).status_code == 200
    assert (metrics.REQUESTS, (NAME, "2", "stable", "answered")) in await scraped(house)


async def test_an_engine_that_is_away_costs_a_scrape_nothing_but_its_own_part(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_house(tmp_path, *engine_at) as house:
        house.engine.healthy = False
        await until(lambda: house.runtime.engine.phase != "ready")
        assert (await scraped(house))[metrics.ENGINE_UP, ()] == 0


async def test_what_an_alert_looks_at_begins_with_nothing(house: House, clinic: str) -> None:
    found = await scraped(house)
    assert found[metrics.ROLLOUTS, (NAME, "rollback")] == 0
    assert found[metrics.REQUESTS, (NAME, "1", "stable", "engine_error")] == 0
