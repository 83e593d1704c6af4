"""Names, ids, dates and numbers that no gateway knows: each command says so in one sentence and changes nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.gateway.cli.commands.test_hostile_values import one_sentence
from tests.gateway.conftest import TRIAGE, House
from tests.support.command_line import run_command

ODD = ("../tenants", "x?y=1", "ü\n")
TAKES_A_NAME = (
    ("tenants", "remove"),
    ("tenants", "rights"),
    ("domains", "quota"),
    ("domains", "unfreeze"),
    ("reviews", "show"),
    ("reviews", "approve"),
    ("webhooks", "remove"),
    ("webhooks", "test"),
    ("keys", "revoke"),
    ("releases",),
    ("adapters", "retire"),
    ("agreement",),
    ("promote",),
    ("rollback",),
    ("diff",),
    ("export",),
    ("yank",),
)
COMMANDS = (
    ["tenants", "add", "a/b", "--domain", "healthcare"],
    ["tenants", "add", "ü", "--domain", "healthcare"],
    ["tenants", "add", "clinic", "--domain", "../x"],
    ["webhooks", "add", "w", "not-a-url", "--domain", "healthcare"],
    ["webhooks", "add", "w", "https://u:p@h/x", "--domain", "healthcare"],
    ["keys", "add", "ann\n", "--role", "admin"],
    ["keys", "add", "ann", "--role", "king"],
    ["keys", "add", "ann", "--role", "publisher", "--domain", "x y"],
    ["promote", "healthcare/triage@99999999999999999999", "--reason", "x"],
    ["promote", "healthcare/triage@2", "--reason", "x" * 5000],
    ["promote", "healthcare/triage@1", "--reason", "a\x1b[2Jb"],
    ["rollback", "healthcare/triage", "--to", "-1", "--reason", "x"],
    ["rollback", "healthcare/triage", "--to", "99999999999999999999", "--reason", "x"],
    ["yank", "healthcare/triage@7", "--reason", "x"],
    ["usage", "--since", "yesterday"],
    ["usage", "--since", "9999-99-99"],
    ["log", "--adapter", "nothing"],
    ["reviews", "list", "--status", "odd"],
    ["reviews", "list", "--domain", "a/b\n"],
    ["reviews", "purge"],
    ["reviews", "purge", "--before", "soon"],
    ["reviews", "edit", "abcdef", "x"],
    ["data", "export", "--adapter", "no/such"],
    ["data", "export", "--adapter", "healthcare/triage", "--since", "soon"],
    ["data", "export", "--adapter", "healthcare/triage", "--out", "."],
    ["diff", "healthcare/triage@1", "healthcare/triage@9"],
    ["export", "healthcare/triage@9", "target"],
    ["canary", "healthcare/triage@9", "--percent", "5"],
    ["canary", "healthcare/triage@1", "--percent", "500"],
    ["domains", "quota", "healthcare", "--releases", "-1"],
    ["domains", "quota", "healthcare", "--releases", "99999999999999999999"],
)


@pytest.fixture
async def busy(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A gateway with a release, and commands that are for it."""
    await house.publish("healthcare/triage", TRIAGE)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("POSTIL_HOME", str(house.folder / "home"))
    monkeypatch.setenv("POSTIL_PORT", house.url.rpartition(":")[2])
    return house


async def test_names_that_lead_elsewhere_and_values_that_cannot_be_are_one_sentence_each(
    busy: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await _acts(busy)
    wrong = {}
    for arguments in (*COMMANDS, *([*command, "--", name] for command in TAKES_A_NAME for name in ODD)):
        ran = await asyncio.to_thread(run_command, monkeypatch, *arguments)
        try:
            one_sentence(ran)
        except AssertionError:
            wrong[" ".join(arguments)[:60]] = ran
    assert wrong == {}
    assert await _acts(busy) == before


async def _acts(house: House) -> list[str]:
    """What was done, but for who tried to read."""
    events = (await house.admin("GET", "/api/v1/events")).json()["data"]
    return [event["action"] for event in events if event["action"] != "review-export"]
