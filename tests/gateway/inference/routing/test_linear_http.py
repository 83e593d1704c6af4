"""``model: auto`` with a trained router: each text to its domain, never to another, and a clear answer otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from postil.gateway.errors import SettingsError
from postil.gateway.inference.routing.extensions import undecided
from postil.gateway.server.demo import ADAPTERS
from postil.plugins import Router, RoutingRequest, Undecided, hookimpl
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import FREE_TEXT, House, running_house
from tests.support.routers import write_router

FEVER, LEASE, BANANA = "I have a fever", "end of the lease", "banana bread"


@pytest.fixture
async def routed(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[House]:
    """A gateway with a trained router and two domains."""
    router = {"name": "linear", "config": {"file": str(write_router(tmp_path / "router.json"))}}
    async with running_house(tmp_path, *engine_at, router=router) as house:
        await house.publish("healthcare/triage")
        await house.publish("legal/clause", FREE_TEXT, seed=1)
        yield house


async def test_each_text_goes_to_its_domain_and_the_answer_says_which(routed: House) -> None:
    key = await routed.tenant("desk", "healthcare", "legal")
    for text, release in ((FEVER, "healthcare/triage@1"), (LEASE, "legal/clause@1")):
        answer = await routed.ask(key, text, model="auto")
        assert answer.headers["x-postil-release"] == release
        assert answer.json()["model"] == release.partition("@")[0]
        assert (await routed.ask(routed.admin_key, text, model="auto")).headers["x-postil-release"] == release


async def test_a_text_of_no_domain_is_refused_with_the_choices(routed: House) -> None:
    key = await routed.tenant("desk", "healthcare", "legal")
    before = len(routed.engine.requests)
    answer = await routed.ask(key, BANANA, model="auto")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("no_route", "model")
    assert "set `model` to one of healthcare, legal; GET /v1/models lists all" in error["message"]
    assert len(routed.engine.requests) == before


async def test_a_text_of_a_domain_that_a_tenant_may_not_use_is_refused_and_the_domain_is_not_named(
    routed: House,
) -> None:
    key = await routed.tenant("firm", "legal")
    answer = await routed.ask(key, FEVER, model="auto")
    assert answer.status_code == 400
    assert "set `model` to one of legal;" in answer.json()["error"]["message"]
    assert "healthcare" not in answer.text
    assert (await routed.ask(key, LEASE, model="auto")).headers["x-postil-release"] == "legal/clause@1"


async def test_a_long_text_in_any_script_is_routed_too(routed: House) -> None:
    key = await routed.tenant("desk", "healthcare", "legal")
    # What is read of the second may take longer than the loop can wait: it is looked at in a process beside it.
    for text in ("fever " * 5000, "fever \u00e9 " * 5000):
        assert (await routed.ask(key, text, model="auto")).headers["x-postil-release"] == "healthcare/triage@1"


async def test_a_request_without_model_still_goes_to_the_default_domain(routed: House) -> None:
    key = await routed.tenant("firm", "legal")
    assert (await routed.ask(key, BANANA)).headers["x-postil-release"] == "legal/clause@1"


async def test_the_base_answers_what_is_of_no_domain_if_the_settings_say_so(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    config = {"file": str(write_router(tmp_path / "router.json")), "otherwise": "base"}
    async with running_house(tmp_path, *engine_at, router={"name": "linear", "config": config}) as house:
        await house.publish("healthcare/triage")
        with_base = await house.tenant("desk", "healthcare")
        assert (await house.ask(with_base, BANANA, model="auto")).headers["x-postil-release"] == "base"
        without = await house.tenant("clinic", "healthcare", rights=())
        assert (await house.ask(without, BANANA, model="auto")).status_code == 403


async def test_a_file_that_is_no_router_keeps_the_gateway_from_starting(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    path = tmp_path / "router.json"
    path.write_text("{}")
    with pytest.raises(SettingsError, match=r"settings, router linear: linear: .*router\.json is no router: "):
        async with running_house(tmp_path, *engine_at, router={"name": "linear", "config": {"file": str(path)}}):
            pass


async def test_the_demo_has_a_router_of_its_own(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at) as house:
        for name in ADAPTERS:  # What is there already the demo leaves alone; the tiny base cannot carry its own.
            await house.publish(name)
    async with running_house(tmp_path, *engine_at, demo=True) as house:
        for text, adapter in (
            ("I have chest pain and nausea", "healthcare/triage"),
            ("Either party may end this agreement with 30 days notice", "legal/clause"),
            ("There is a payment on my statement that I never made", "finance/intent"),
        ):
            answer = await house.ask("demo-desk", text, model="auto")
            assert answer.headers["x-postil-release"] == f"{adapter}@1"
        refused = await house.ask("demo-desk", "What is the capital of Mongolia?", model="auto")
        assert "set `model` to one of finance, healthcare, legal;" in refused.json()["error"]["message"]
        foreign = await house.ask("demo-clinic", "The parties submit to the courts of Norway", model="auto")
        assert foreign.status_code == 400
        assert (await house.ask("demo-clinic")).headers["x-postil-release"] == "healthcare/triage@1"


class OwnRouter(Router):
    """One that is of a house of its own."""

    name = "own"

    def route(self, question: RoutingRequest) -> Undecided:
        """Never decide."""
        return Undecided("it is Sunday")


class OwnRouters:
    """A plugin in code."""

    @hookimpl
    def postil_routers(self) -> Sequence[type[Router]]:
        """One."""
        return [OwnRouter]


async def test_any_router_may_be_undecided(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at, [OwnRouters()], router={"name": "own"}) as house:
        answer = await house.ask(house.admin_key, model="auto")
    assert answer.json()["error"]["message"].startswith(
        "the router chose no model (it is Sunday); set `model` to a model;"
    )


def test_a_refusal_names_no_more_than_a_line_takes() -> None:
    said = str(undecided("x" * 1000, [f"domain-{number}" for number in range(100)]))
    assert "domain-19, ...; GET" in said
    assert len(said) < 700
