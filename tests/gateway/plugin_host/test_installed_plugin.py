"""A stranger's package, installed beside a gateway: named in policies and settings, and run apart."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.adapters import write_adapter
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.conftest import House, running_house, until
from tests.plugins.installed import copied, install
from tests.support.streams import pieces_of, text_of

PACKAGE = "postil_legal_citations"
POLICY = """
input: [{name: legal-privileged, deadline_ms: 30000}]
validators:
  - name: legal-citations
    on_fail: %s
    replacement: "[removed]"
    deadline_ms: 30000
    config: {statutes: ["17 U.S.C. § 107"]}
fallback: [{name: fixed_answer, config: {content: held back}}]
"""
SAID = "Fair use is in 17 U.S.C. § 107, and not in 17 U.S.C. § 108."


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, installed into a folder of its own."""
    folder = tmp_path_factory.mktemp("stranger")
    return install(copied(folder), folder / "installed")


@pytest.fixture
def on_path(target: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder on the path; the gateway's process never imports what is in it."""
    monkeypatch.syspath_prepend(str(target))
    importlib.invalidate_caches()
    yield
    assert not [name for name in sys.modules if name.partition(".")[0] == PACKAGE]


@pytest.fixture
async def firm(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], on_path: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    """A gateway with the package beside it, which may write where its listener is told to."""
    (tmp_path / "notes").mkdir()
    monkeypatch.setenv("POSTIL_PLUGIN_WRITABLE", str(tmp_path / "notes"))
    listeners: Any = [{"name": "legal-changes", "config": {"file": str(tmp_path / "notes" / "changes.md")}}]
    async with running_house(tmp_path, *engine_at, installed=True, listeners=listeners) as house:
        house.engine.reply = lambda body: Reply(SAID)
        yield house


async def said(house: House, text: str = "what is fair use?", on_fail: str = "fallback") -> tuple[str, str]:
    """What a tenant is answered, and why it was not the model's answer."""
    await house.publish("legal/clause", POLICY % on_fail)
    response = await house.ask(await house.tenant("firm", "legal"), text)
    assert response.status_code == 200, response.text
    content: str = response.json()["choices"][0]["message"]["content"]
    return content, response.headers.get("x-postil-fallback", "")


async def test_its_validator_judges_in_a_process_of_the_domains(firm: House) -> None:
    content, why = await said(firm)
    assert content == "held back"
    assert why.startswith("fixed_answer (legal-citations: cites a statute that is not in the list")
    log = firm.runtime.settings.home / "logs" / "plugins-legal.log"
    assert log.exists()
    assert log.read_text() == ""


async def test_what_it_lets_pass_arrives_as_it_was_said(firm: House) -> None:
    firm.engine.reply = lambda body: Reply("See 17 U.S.C. § 107.")
    assert await said(firm) == ("See 17 U.S.C. § 107.", "")


async def test_its_window_lets_a_stream_run_and_cuts_out_what_fails(firm: House) -> None:
    expected = SAID.replace("17 U.S.C. § 108", "[removed]")
    assert (await said(firm, on_fail="redact"))[0] == expected
    key = await firm.tenant("other", "legal")
    response = await firm.ask(key, stream=True)
    assert text_of(response.text.splitlines()) == expected
    assert len(pieces_of(response.text.splitlines())) > 2


async def test_its_input_check_keeps_a_paper_from_the_model(firm: House) -> None:
    content, why = await said(firm, "Privileged and Confidential")
    assert content == "held back"
    assert "legal-privileged: the request holds a paper that is marked as privileged" in why
    assert firm.engine.requests == []


async def test_its_listener_hears_of_what_was_made_live(firm: House, tmp_path: Path) -> None:
    await firm.publish("legal/clause", POLICY % "fallback")
    await firm.publish("finance/intent", "system_prompt: Sort.")
    changes = tmp_path / "notes" / "changes.md"
    await until(changes.exists)
    assert [line.split(" ")[3] for line in changes.read_text().splitlines()] == ["legal/clause@1"]


async def test_the_gateway_says_where_it_comes_from_and_that_it_runs_apart(firm: House) -> None:
    rows = (await firm.admin("GET", "/api/v1/plugins")).json()["data"]
    (found,) = [row for row in rows if row["name"] == "legal-citations"]
    del found["config_schema"]
    assert found == {
        "kind": "validator",
        "name": "legal-citations",
        "version": "3",
        "plugin": f"{PACKAGE}.citations",
        "distribution": "postil-legal-citations",
        "distribution_version": "1.2.0",
        "runs_apart": True,
        "window": 22,
        "window_by_configuration": False,
        "needs_tokens": False,
    }


async def test_a_configuration_that_it_refuses_is_refused_at_publish(firm: House) -> None:
    policy = "validators: [{name: legal-citations, config: {statutes: [the Copyright Act]}}]"
    response = await firm.upload("legal/clause", write_adapter(firm.folder / "adapter"), policy)
    assert response.status_code == 422
    assert response.json()["detail"] == (
        "policy: legal-citations: statutes: 'the Copyright Act' is not written as 17 U.S.C. § 107"
    )
