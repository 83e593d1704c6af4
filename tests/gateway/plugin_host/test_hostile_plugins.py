"""Through the door: plugins that do their worst when they are imported and when a release is published."""

from __future__ import annotations

import asyncio
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
SECONDS = 3.0


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
        ("time.sleep(3600)", "it was not set up within 3 s; mend or uninstall the plugin"),
        ("while True: pass", "it was not set up within 3 s; mend or uninstall the plugin"),
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
    await house.publish("legal/new", "validators: [{name: quiet, on_fail: redact, config: {word: time}}]")
    firm = await house.tenant("firm", "legal")
    answer = await house.ask(firm)
    assert answer.json()["choices"][0]["message"]["content"] == ANSWER
    rows = (await house.admin("GET", "/api/plugins")).json()
    (row,) = [row for row in rows if row["name"] == "quiet"]
    assert (row["runs_apart"], row["window"], row["window_by_configuration"]) == (True, None, True)
    assert not [name for name in sys.modules if name.startswith("postil_plugins_dir")]


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a command says, in a home of its own."""
    home = str(folder / "home")
    return subprocess.run(
        [sys.executable, "-m", "postil.gateway.cli.main", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"POSTIL_HOME": home, "PATH": "/usr/bin:/bin", "COLUMNS": "200", "POSTIL_PORT": "0"},
    )
