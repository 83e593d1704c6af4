"""Whatever a plugin does in its process: a call has a result, or did not run, and says why."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from postil.plugins import AskAgain, Completion, Fallback, Outcome, ReleaseRef, Span, Verdict
from postil.plugins.contract import Component
from postil.plugins.installed import InstalledComponent, SetUp
from postil.plugins.manager import PluginManager
from tests.gateway.conftest import until
from tests.gateway.plugin_host.conftest import EXCHANGE, Ward, alive


async def test_verdicts_come_back_as_they_were_given(ward: Ward) -> None:
    assert await ward.judged("pass") == Verdict(Outcome.PASSED, "", [], notice="seen")
    failed = await ward.judged("fail", text="no")
    assert failed == Verdict(Outcome.FAILED, "it says no", [Span(0, 2)])
    assert await ward.judged("pass", name="faulty-awaited") == await ward.judged("pass")
    assert (await ward.judged(name="made")).ok


async def test_what_passes_for_a_text_or_a_number_is_one(ward: Ward) -> None:
    assert await ward.judged("fail with other types") == Verdict(Outcome.FAILED, "why", [Span(3, 4)])


async def test_a_fallback_rule_gets_what_it_is_given_and_answers(ward: Ward) -> None:
    arguments = (EXCHANGE, Completion("no"), [Verdict.failed("because")])
    found = await ward.called("fallback rule", "again", {}, "answer", arguments)
    assert found == AskAgain("previous", {"temperature": 0.5}, "because")


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("raise", "raised RuntimeError"),
        ("raise without a name", "raised something"),
        ("exit", "raised SystemExit"),
        ("interrupt", "raised KeyboardInterrupt"),
        ("recurse", "raised RecursionError"),
        ("run out of memory", "raised MemoryError"),
        ("return true", "returned bool, not a Verdict"),
        ("return the class", "returned type, not a Verdict"),
        ("return hostility", "raised SystemExit"),
        ("return a dictionary", "returned dict, not a Verdict"),
        ("return a number for a reason", "returned a verdict that cannot be read"),
        ("return half a character", "returned a verdict that cannot be read"),
        ("return no spans", "returned a verdict that cannot be read"),
        ("return an outcome of its own", "returned a verdict that cannot be read"),
        ("return a long reason", "returned more than 64 KiB"),
    ],
)
async def test_what_raises_or_returns_rubbish_did_not_run(ward: Ward, does: str, why: str) -> None:
    before = (await ward.judged("tell the process")).reason
    for name in ("faulty", "faulty-awaited"):
        assert await ward.judged(does, name=name, text="secret") == why
    assert (await ward.judged("tell the process")).reason == before
    assert "secret" not in ward.log().read_text()


async def test_an_answer_of_another_sort_is_for_the_caller_to_judge(ward: Ward) -> None:
    assert await ward.judged("return a substitute") == Fallback("instead")
    assert await ward.judged("return nothing") is None


async def test_what_is_not_installed_or_cannot_be_sent_did_not_run(ward: Ward) -> None:
    assert await ward.judged(name="absent") == "is not installed"
    found = await ward.called("validator", "faulty", {}, "judge", [lambda: None])
    assert found == "was given what cannot be sent to its process (AttributeError)"


async def test_a_component_that_cannot_be_set_up_says_so_and_is_not_tried_at_each_call(ward: Ward) -> None:
    for does in ("raise", "exit", "interrupt"):
        for _ in range(5):
            assert await ward.judged(at_first=does) == "could not be set up"
    assert (await ward.judged()).ok
    assert ward.log().read_text().count("faulty cannot be set up: ConfigError") == 1


async def test_one_domain_has_one_process(ward: Ward) -> None:
    first, second, other = [
        (await ward.judged("tell the process", domain=domain)).reason for domain in ("legal", "legal", "finance")
    ]
    assert first == second == str(ward.plugin_host.pid("legal"))
    assert other == str(ward.plugin_host.pid("finance")) != first


async def test_a_process_has_no_secret_and_little_of_the_gateway(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTIL_DATABASE_URL", "postgresql://user:password@host")
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("POSTIL_PLUGIN_LISTS", "/lists")
    names = set((await ward.judged("tell the environment")).reason.split())
    assert {"PATH", "POSTIL_PLUGIN_LISTS"} <= names
    assert not names & {"POSTIL_DATABASE_URL", "HF_TOKEN"}
    modules = set((await ward.judged("tell the modules", name="faulty")).reason.split())
    assert not modules & {
        "litestar",
        "sqlmodel",
        "aiohttp",
        "postil.gateway.inference.guardrails.evaluate",
        "postil.registry",
    }


async def test_what_plugins_print_goes_to_a_log_that_stays_short(ward: Ward) -> None:
    assert (await ward.judged("print")).ok
    assert ward.log().read_text() == "a word\n"
    for _ in range(3):
        assert (await ward.judged("print megabytes")).ok
    await until(lambda: ward.log().read_bytes().startswith(b"(what came before was dropped)\n"))
    await until(lambda: ward.log().stat().st_size <= 1 << 20)
    assert (await ward.judged()).ok


async def test_calls_beyond_what_a_domain_may_hold_are_refused_at_once(ward: Ward) -> None:
    assert (await ward.judged()).ok
    full = "was not begun: its domain's queue is full"
    waiting = [asyncio.create_task(ward.judged(name="waiting", seconds=2)) for _ in range(256)]
    await asyncio.sleep(0)
    assert await ward.judged() == full
    assert (await ward.judged(domain="finance")).ok
    assert set(await asyncio.gather(*waiting)) == {"took longer than 2000 ms"}
    while (said := await ward.judged()) == full:  # noqa: ASYNC110 - nobody over there can set an event
        # It has not answered yet all those that nobody waits for. A refusal waits for nothing: give the loop its turn.
        await asyncio.sleep(0.01)
    assert said.ok


async def test_once_stopped_nothing_runs_and_nothing_is_left(ward: Ward) -> None:
    process = (await ward.judged("tell the process")).reason
    under_way = [
        asyncio.create_task(ward.judged("sleep", domain=domain)) for domain in ("legal", "finance", "healthcare")
    ]
    await asyncio.sleep(0)
    await ward.plugin_host.stop()
    assert all("was cut off" in why for why in await asyncio.gather(*under_way))
    assert not alive(process)
    assert await ward.judged() == "was not begun: the gateway is stopping"


@dataclass
class Release:
    """A release with one validator, which was set up once when it was published."""

    at_first: str
    plugins: PluginManager

    inputs: Sequence[tuple[object, Component]] = ()
    fallbacks: Sequence[tuple[object, Component]] = ()

    @property
    def ref(self) -> ReleaseRef:
        """The release."""
        return EXCHANGE.release

    @property
    def validators(self) -> Sequence[tuple[object, Component]]:
        """Its validator."""
        faulty = self.plugins.component("validator", "faulty")
        assert issubclass(faulty, InstalledComponent)
        return [(None, faulty({"at_first": self.at_first}, SetUp()))]


@pytest.mark.parametrize(
    ("at_first", "then"),
    [
        ("print", Verdict(Outcome.PASSED, "", [], notice="seen")),
        ("nap", Verdict(Outcome.PASSED, "", [], notice="seen")),
        ("raise", "could not be set up"),
        ("exit", "could not be set up"),
    ],
)
async def test_a_release_is_ready_when_its_plugins_are_set_up_or_cannot_be(
    ward: Ward, at_first: str, then: object
) -> None:
    await ward.plugin_host.ready(Release(at_first, ward.plugins))
    assert ("a word" in ward.log().read_text()) == (at_first == "print")
    assert await ward.judged(at_first=at_first) == then


async def test_a_release_is_ready_though_its_plugins_end_their_process(ward: Ward) -> None:
    await ward.plugin_host.ready(Release("end the process", ward.plugins))
    assert (await ward.judged("pass")).ok


async def test_nothing_is_made_ready_while_the_gateway_stops(ward: Ward) -> None:
    await ward.plugin_host.stop()
    await ward.plugin_host.ready(Release("print", ward.plugins))
    assert not ward.log().exists()
