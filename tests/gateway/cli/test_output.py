"""Every command, with a gateway that answers with hostile texts in every field: none of them reaches the terminal."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import typer

from postil.gateway.cli import main
from tests.fakes.http import Receive, Scope, Send, respond, serving
from tests.gateway.conftest import House

# The clipboard (OSC 52), a colour (C1), an override of direction, a carriage return, and rich's markup.
HOSTILE = "\x1b]52;c;cm0K\x07\x9b31m\u202eevil\r[link=http://evil]x[/link]"
SHOWN = r"\x1b]52;c;cm0K\x07\x9b31m\u202eevil\x0d[link=http://evil]x[/link]"
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
NAME, RELEASE = "legal/notes", "legal/notes@1"
# The arguments of every command that prints what a gateway said.
COMMANDS: dict[str, list[str]] = {
    "export": [RELEASE, "hf://org/name"],
    "promote": [RELEASE],
    "rollback": [NAME],
    "releases list": [NAME],
    "releases retire": [RELEASE],
    "releases restore": [RELEASE],
    "adapters list": [],
    "adapters retire": [NAME],
    "adapters restore": [NAME],
    "canary": [RELEASE, "--weight", "5"],
    "shadow": [RELEASE],
    "agreement": [NAME],
    "pin": ["firm", RELEASE],
    "unpin": ["firm", NAME],
    "diff": [RELEASE, "legal/notes@2"],
    "gc": [],
    "tenants list": [],
    "tenants add": ["firm", "--domain", "legal"],
    "tenants limit": ["firm"],
    "tenants remove": ["firm"],
    "keys list": ["--any-state"],
    "keys add": ["firm"],
    "keys rotate": ["0123456789ab"],
    "keys revoke": ["0123456789ab"],
    "usage": [],
    "domains list": [],
    "domains set-default": ["legal", "notes"],
    "domains require-signature": ["legal", "--none"],
    "reviews list": [],
    "reviews show": ["12345678"],
    "reviews assign": ["12345678", "ann"],
    "reviews approve": ["12345678"],
    "reviews edit": ["12345678", "yes"],
    "reviews reject": ["12345678"],
    "reviews undo": ["12345678"],
    "data export": ["--adapter", NAME],
    "yank": [RELEASE, "--reason", "harmful"],
    "unyank": [RELEASE],
    "domains quota": ["legal"],
    "tenants forget": ["firm"],
    "reviews purge": ["--before", "2026-01-01"],
    "evidence": [RELEASE],
    "domains freeze": ["legal", "--reason", "an incident"],
    "domains unfreeze": ["legal"],
    "domains sources": ["legal", "--none"],
    "tenants refuse": ["firm", "--reason", "an incident"],
    "tenants admit": ["firm"],
    "tenants rights": ["firm"],
    "webhooks list": [],
    "webhooks add": ["decisions", "https://host/path", "--domain", "legal"],
    "webhooks rotate": ["decisions"],
    "webhooks remove": ["decisions"],
    "webhooks test": ["decisions"],
    "log": [],
    "audit verify": [],
    "audit head": [],
    "audit denied": [],
    "status": [],
    "plugins": [],
    "lineage": [RELEASE],
    "improve": [NAME],
    "jobs list": [],
    "jobs show": ["0" * 32],
    "jobs cancel": ["0" * 32],
    "jobs logs": ["0" * 32],
}
# These print what is on this machine, or need files: they have cases of their own below, or say nothing of others'.
ELSEWHERE = {
    "serve", "publish", "train", "evaluate", "policy schema", "policy check", "policy test", "plugins check",
    "plugins new", "apply", "backup", "restore", "compare", "curve", "compare-methods", "data check", "data split",
    "data vary", "data review", "demo traffic", "try", "verify",
    "train-router",
}  # fmt: skip


def commands(command: Any, name: str = "") -> Iterator[str]:
    """The names of all commands."""
    parts = getattr(command, "commands", {})
    if name and (not parts or command.invoke_without_command):
        yield name
    for part, one in parts.items():
        yield from commands(one, f"{name} {part}".strip())


def filled(schema: Mapping[str, Any], document: Mapping[str, Any], name: str = "") -> Any:
    """A value for a schema with a hostile text wherever there can be one."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    options = schema.get("oneOf", schema.get("anyOf"))
    if name in ("next", "has_more"):
        return None
    if options:
        return filled(next(one for one in options if one.get("type") != "null"), document)
    kind = schema.get("type", "string")
    kind = next(one for one in kind if one != "null") if isinstance(kind, list) else kind
    if kind == "object":
        known = {key: filled(one, document, key) for key, one in schema.get("properties", {}).items()}
        more = schema.get("additionalProperties")
        return known or {HOSTILE: filled(more if isinstance(more, Mapping) else {}, document)}
    if kind == "array":
        return [filled(schema.get("items", {}), document)]
    return {"integer": 1, "number": 0.5, "boolean": True, "null": None}.get(kind, HOSTILE)


def answers(document: Mapping[str, Any]) -> list[tuple[str, re.Pattern[str], Any]]:
    """What each route answers."""
    found = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            good = next(iter(sorted(status for status in operation["responses"] if status.startswith("2"))), None)
            content = operation["responses"][good].get("content", {}) if good else {}
            schema = content.get("application/json", {}).get("schema", {})
            pattern = re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path) + "$")
            found.append((method.upper(), pattern, filled(schema, document)))
    return found


@asynccontextmanager
async def gateway(document: Mapping[str, Any] | None) -> AsyncIterator[str]:
    """A gateway that answers what the document says with hostile texts, or refuses everything with one."""
    known = answers(document) if document else []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for method, pattern, answer in known:
            if method == scope["method"] and pattern.match(scope["path"]):
                await respond(send, 200, json.dumps(answer).encode())
                return
        await respond(send, 400, json.dumps({"detail": HOSTILE}).encode())

    async with serving(app) as url:
        yield url


async def run(url: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Run the program as a user does, in this process."""
    monkeypatch.setenv("POSTIL_URL", url)
    monkeypatch.setenv("POSTIL_KEY", "a-key")
    monkeypatch.setenv("POSTIL_HOME", str(home))
    monkeypatch.chdir(home)  # Some commands make a folder where they run.
    monkeypatch.setattr(sys, "argv", ["postil", *arguments])
    with pytest.raises(SystemExit):
        await asyncio.to_thread(main.run)


def test_every_command_is_among_those_that_are_tried() -> None:
    assert set(commands(typer.main.get_command(main.make_cli()))) == COMMANDS.keys() | ELSEWHERE


async def test_no_command_gives_the_terminal_orders_of_others(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = (await house.client.get("/api/v1/docs/openapi.json")).json()
    silent = set()
    async with gateway(document) as url:
        for name, arguments in COMMANDS.items():
            for more in ([], ["--json"]) if name != "data export" else ([],):
                await run(url, [*name.split(), *arguments, *more], monkeypatch, tmp_path)
                said = "".join(capsys.readouterr())
                assert said, name
                assert not CONTROLS.search(said), f"{name}: {said!r}"
                if "evil" not in said:
                    silent.add(name)
    # Figures and the user's own words are all that these say.
    assert silent <= {
        "export", "promote", "rollback", "canary", "shadow", "pin", "webhooks remove", "webhooks test", "yank",
        "unyank", "evidence", "domains freeze", "domains unfreeze", "domains sources", "tenants refuse",
        "tenants admit", "tenants rights", "audit head", "unpin", "domains quota",
        "tenants forget", "reviews purge", "tenants remove", "releases retire",
        "releases restore", "adapters retire", "adapters restore", "audit verify", "reviews assign", "reviews approve",
        "reviews reject", "reviews undo", "gc", "domains set-default", "tenants limit", "domains require-signature",
        "agreement", "jobs cancel", "jobs logs",
    }  # fmt: skip


async def test_no_refusal_gives_the_terminal_orders_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with gateway(None) as url:
        for name, arguments in COMMANDS.items():
            await run(url, [*name.split(), *arguments], monkeypatch, tmp_path)
            assert capsys.readouterr() == ("", f"error: {SHOWN}\n"), name


async def test_what_stands_in_a_file_gives_the_terminal_no_orders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(json.dumps({"validators": [{"name": HOSTILE}]}))
    await run("http://127.0.0.1:9", ["policy", "check", str(policy)], monkeypatch, tmp_path)
    said = capsys.readouterr().err
    assert "evil" in said
    assert not CONTROLS.search(said)
