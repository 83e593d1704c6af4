"""Through the door: plugins that do their worst when they are imported and when a release is published."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from postil.plugins.discovery import Bounds
from tests.fakes.adapters import write_adapter
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import House, running_house
from tests.plugins.test_discovery import source

ANSWER = '{"category": "symptoms"}'
WORST = "exec(config.word)"
# Enough to start a process beside a busy gateway.
SECONDS = 10.0


@pytest.fixture
async def house(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> AsyncIterator[House]:
    """A gateway with a plugin that does what it is told while it is set up."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "told.py").write_text(source(set_up=WORST))
    bounds = Bounds(set_up_seconds=SECONDS)
    async with running_house(tmp_path, *engine_at, plugins_dir=folder, bounds=bounds) as house:
        yield house


async def published(house: House, word: str, name: str) -> httpx.Response:
    """Try to publish a release whose plugin does that while it is set up."""
    policy = f"validators: [{{name: quiet, on_fail: redact, config: {{word: {word!r}}}}}]"
    return await house.upload("legal/new", write_adapter(house.folder / name, seed=1), policy)


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("os._exit(3)", "it cannot be set up with this configuration (its process ended with status 3)"),
        ("sys.exit(3)", "it cannot be set up with this configuration (SystemExit(3))"),
        ("while True: pass", "it was not set up within 10 s; mend or uninstall the plugin"),
    ],
)
async def test_a_release_is_refused_in_a_sentence_and_other_domains_are_answered_meanwhile(
    house: House, word: str, why: str
) -> None:
    await house.publish("healthcare/triage")
    clinic = await house.tenant("clinic", "healthcare")
    publishing = asyncio.create_task(published(house, word, "worst"))
    answers = 0
    while not publishing.done() or not answers:
        response = await asyncio.wait_for(house.ask(clinic), SECONDS)
        assert response.json()["choices"][0]["message"]["content"] == ANSWER
        answers += 1
    refused = await publishing
    assert refused.status_code == 422, refused.text
    assert refused.json()["detail"] == f"policy: quiet: {why}"
    assert (await published(house, "time", "good")).status_code == 201


async def test_nothing_of_an_installed_plugin_is_imported_by_the_gateway(house: House) -> None:
    policy = "validators: [{name: quiet, on_fail: redact, deadline_ms: 30000, config: {word: time}}]"
    await house.publish("legal/new", policy)
    firm = await house.tenant("firm", "legal")
    answer = await house.ask(firm)
    assert answer.json()["choices"][0]["message"]["content"] == ANSWER
    rows = (await house.admin("GET", "/api/v1/plugins")).json()["data"]
    (row,) = [row for row in rows if row["name"] == "quiet"]
    assert (row["runs_apart"], row["window"], row["window_by_configuration"]) == (True, None, True)
    assert not [name for name in sys.modules if name.startswith("postil_plugins_dir")]


def said(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a command says, in a home of its own."""
    known = {name: text for name, text in os.environ.items() if not name.startswith("POSTIL_")}
    known |= {"POSTIL_HOME": str(folder / "home"), "COLUMNS": "200"}
    postil = Path(sys.executable).parent / "postil"
    return subprocess.run([postil, *arguments], capture_output=True, text=True, cwd=folder, env=known)


WHY = "error: the plugin worst.py cannot be loaded (its process ended with status 3); mend or remove it\n"


def test_a_gateway_beside_a_plugin_that_ends_its_process_does_not_start_and_names_it(tmp_path: Path) -> None:
    (tmp_path / "worst.py").write_text("import os; os._exit(3)")
    refused = said(tmp_path, "serve", "--port", "0", "--plugins-dir", ".")
    assert (refused.returncode, refused.stderr) == (1, WHY)


def test_the_good_ones_are_listed_and_what_is_wrong_with_the_bad_ones_is_said(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(source())
    (tmp_path / "worst.py").write_text("print('garbage'); import os; os._exit(3)")
    found = said(tmp_path, "plugins", "check", "--plugins-dir", ".")
    assert (found.returncode, found.stderr) == (1, WHY)
    assert found.stdout.splitlines()[-1].split() == ["validator", "quiet", "1", "postil_plugins_dir.good"]
    assert "garbage" not in found.stdout
    (tmp_path / "worst.py").unlink()
    assert said(tmp_path, "plugins", "check", "--plugins-dir", ".").returncode == 0
