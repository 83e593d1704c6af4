"""``postil demo traffic``: what it sends, what it says, and that it needs the demo."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from postil.gateway.server.demo import ADAPTERS
from postil.gateway.tenancy.directory import DEMO_TENANTS
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.cli.in_process import in_process
from tests.gateway.conftest import House, running_house

POLICY = """
input: [{name: emergency}]
validators: [{name: confidence, config: {minimum: 0.5}}]
fallback: [{name: fixed_answer, config: {content: unsure}}]
"""
SHORT = ("--seconds", "1.5", "--per-second", "20")


@pytest.fixture
async def demo(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[House]:
    """A gateway that serves the demo, whose adapters stand in for those that the tiny base cannot carry."""
    async with running_house(tmp_path, *engine_at) as house:
        for name in ADAPTERS:
            await house.publish(name, POLICY)
    async with running_house(tmp_path, *engine_at, demo=True) as house:
        yield house


async def test_each_tenant_of_the_demo_asks_and_the_table_says_how_it_went(demo: House) -> None:
    before = len(demo.engine.requests)
    status, out, complaints = await in_process(demo, "demo", "traffic", *SHORT)
    assert (status, complaints) == (0, "")
    heading, *lines = out.splitlines()
    assert heading.split() == ["adapter", "requests", "answered", "fallback", "failed", "reviews", "median", "ms"]
    rows = {line.split()[0]: [int(figure) for figure in line.split()[1:6]] for line in lines}
    assert sorted(rows) == sorted(ADAPTERS)
    sent = sum(row[0] for row in rows.values())
    assert 1 <= sent <= 30
    assert all(asked == answered and fallback == failed == 0 for asked, answered, fallback, failed, _ in rows.values())
    assert len(demo.engine.requests) - before == sent
    used = (await demo.admin("GET", "/api/v1/usage")).json()["data"]
    assert {row["tenant"] for row in used} <= set(DEMO_TENANTS)
    assert all(len(line) <= 80 for line in out.splitlines())


async def test_reviews_and_fallbacks_are_counted(demo: House) -> None:
    demo.engine.reply = lambda body: Reply(logprob=-3.0)
    status, out, _ = await in_process(demo, "demo", "traffic", *SHORT, "--json")
    rows = json.loads(out)["rows"]
    assert status == 0
    assert sum(row["fallback"] for row in rows) == sum(row["requests"] for row in rows)
    opened = (await demo.admin("GET", "/api/v1/reviews")).json()["data"]
    assert sum(row["reviews"] for row in rows) == len(opened)


async def test_without_the_demo_it_says_how_to_start_one(house: House) -> None:
    status, _, complaints = await in_process(house, "demo", "traffic", *SHORT)
    assert (status, "start one with `postil serve --demo`" in complaints) == (1, True)


async def test_without_a_live_adapter_it_says_so(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at) as house:
        for name in ADAPTERS:
            await house.publish(name, POLICY, live=False)
    async with running_house(tmp_path, *engine_at, demo=True) as house:
        status, _, complaints = await in_process(house, "demo", "traffic", *SHORT)
    assert (status, "no adapter of the demo is live" in complaints) == (1, True)


async def test_where_nothing_is_answered_it_says_why(demo: House) -> None:
    demo.engine.reply = lambda body: Reply(status=500)
    status, _, complaints = await in_process(demo, "demo", "traffic", "--seconds", "0.2", "--per-second", "20")
    assert (status, "no request was answered: " in complaints) == (1, True)


@pytest.mark.parametrize("wrong", [("--seconds", "0"), ("--seconds", "4000"), ("--per-second", "21")])
async def test_its_length_and_pace_have_bounds(wrong: tuple[str, str]) -> None:
    assert (await in_process(None, "demo", "traffic", *wrong))[0] == 2
