"""The gateway finds plugins in a folder, has their processes ready, and leaves none behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from postil.gateway.plugin_host.host import PluginHost
from postil.gateway.settings import read_settings
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import House, running_house, until
from tests.gateway.plugin_host.conftest import FOLDER, alive

POLICY = "validators: [{name: faulty, config: {at_first: print}}]"


def pid(house: House) -> int | None:
    """The process of ``legal``'s plugins."""
    assert isinstance(house.runtime.plugin_host, PluginHost)
    return house.runtime.plugin_host.pid("legal")


async def test_plugins_of_live_releases_are_ready_before_anybody_asks_and_end_with_the_gateway(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    log = tmp_path / "home" / "logs" / "plugins-legal.log"
    async with running_house(tmp_path, *engine_at, plugins_dir=FOLDER) as house:
        await house.publish("legal/notes", POLICY, live=False)
        assert pid(house) is None
        await house.admin("POST", "/api/v1/adapters/legal/notes/promote", json={"release": 1})
        assert log.read_text() == "a word\n"  # Before anybody could be answered by it.
        first = pid(house)
        assert alive(first)
    assert not alive(first)
    async with running_house(tmp_path, *engine_at, plugins_dir=FOLDER) as house:
        await until(lambda: log.read_text() == "a word\na word\n")
        assert (await house.ask(house.admin_key, model="legal")).status_code == 200


async def test_plugins_of_a_canary_are_ready_before_it_is_one(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with running_house(tmp_path, *engine_at, plugins_dir=FOLDER) as house:
        await house.publish("legal/notes", "{}")
        await house.publish("legal/notes", POLICY, live=False)
        body = {"release": 2, "weight": 50}
        response = await house.admin("PUT", "/api/v1/adapters/legal/notes/channels/canary", json=body)
        assert response.status_code == 200, response.text
        assert (tmp_path / "home" / "logs" / "plugins-legal.log").read_text() == "a word\n"


def test_the_folder_is_a_setting(tmp_path: Path) -> None:
    assert read_settings().plugins_dir is None
    assert read_settings(plugins_dir=tmp_path).plugins_dir == tmp_path


def test_a_folder_that_is_none_is_said_in_a_sentence(tmp_path: Path) -> None:
    postil = Path(sys.executable).parent / "postil"
    said = subprocess.run(
        [postil, "serve", "--port", "0", "--plugins-dir", "absent"], cwd=tmp_path, capture_output=True, text=True
    )
    assert said.returncode == 1
    assert said.stderr == "error: absent is not a folder of plugins; make it, or leave the setting out\n"
