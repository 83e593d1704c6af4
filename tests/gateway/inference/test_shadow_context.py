"""Nobody sees what a shadow says: not the watch over releases, and not the people who review."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.channel_acts import NAME, canary, inside, opened, shadow, traffic
from tests.gateway.conftest import TRIAGE, House, running_house, until
from tests.gateway.control.test_reviews import HELD, Plugin
from tests.gateway.inference.test_shadow import copies, counted, says


async def test_a_shadows_copies_are_not_held_against_anybody(house: House) -> None:
    clinic = await opened(house)
    await shadow(house, 2)
    house.engine.requests.clear()
    await canary(house, 2, 0.001)
    says(house, '{"category": "symptoms"}', "nonsense")
    await traffic(house, clinic, range(20))
    await until(lambda: len(copies(house)) > 0)
    (watch,) = (await house.admin("GET", "/api/v1/status")).json()["comparisons"]
    assert {(signal["candidate_total"], signal["baseline_failures"]) for signal in watch["evidence"]} == {(0, 0)}


async def test_nobody_is_asked_to_review_what_a_shadow_says(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at, plugins=[Plugin()]) as house:
        await house.publish(NAME, TRIAGE)
        await house.publish(NAME, HELD, seed=1, live=False)
        key = await house.tenant("clinic", "healthcare")
        await shadow(house, 2)
        hidden = inside(house, 2)
        house.engine.reply = lambda body: Reply(logprob=-3.0 if body["model"] == hidden else -0.01)
        assert (await house.ask(key)).status_code == 200
        await counted(house, compared=1)
        assert (await house.admin("GET", "/api/v1/reviews")).json()["data"] == []
