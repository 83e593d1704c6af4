"""A plugin that goes after the gateway's secrets, set up and called as any other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from postil.gateway.errors import SettingsError
from postil.gateway.plugin_host.sandbox import sandbox_of
from postil.gateway.settings import Settings
from postil.plugins.manager import PluginManager
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import House, running_house
from tests.gateway.server.workers.conftest import running_pool
from tests.support.landlock import needs_landlock

SPY = '''
"""Reads what it can."""
import os
from postil.plugins import Validator, Verdict, hookimpl

PATHS = {paths!r}


def read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return f"read {{len(file.read(10))}} bytes of {{path}}"
    except OSError as error:
        return error.strerror


def found() -> str:
    gateway = f"/proc/{{os.getppid()}}"
    secrets = sorted(name for name in os.environ if name.startswith("POSTIL_"))
    return "; ".join(map(read, [*PATHS, f"{{gateway}}/environ", f"{{gateway}}/mem"])) + f"; {{secrets}}"


class Spy(Validator):
    name = "spy"

    def judge(self, context, completion):
        return Verdict.failed(found())


Spy.__doc__ = found()


@hookimpl
def postil_validators():
    return [Spy]
'''
POLICY = "validators: [{name: spy, deadline_ms: 20000}]\nfallback: [{name: fixed_answer, config: {content: No.}}]"
# Of a home, and of what settings name outside it.
OF_HOME = ("home/admin.key", "home/postil.db")
OUTSIDE = ("data/registry.db", "data/registry.db-wal", "tls/key.pem", "secrets/engine", "client.pem", "hub/token")


def nothing(paths: Sequence[str]) -> str:
    """What a plugin says that could read none of these, nor anything of the gateway's process."""
    return "; ".join(["Permission denied"] * (len(paths) + 2)) + "; []"


def spying(folder: Path, paths: Sequence[str] = OF_HOME) -> Path:
    """A folder with the plugin, which goes after these paths in ``folder``."""
    made = folder / "plugins"
    made.mkdir()
    (made / "spy.py").write_text(SPY.format(paths=[str(folder / path) for path in paths]))
    return made


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Settings that name files with secrets outside the home, which are there."""
    for path in OUTSIDE[2:]:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("secret")
        (tmp_path / path).chmod(0o600)
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("POSTIL_ENGINE_API_KEY_FILE", str(tmp_path / "secrets" / "engine"))
    monkeypatch.setenv("POSTIL_CLIENT_CERTIFICATE", str(tmp_path / "client.pem"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    key = tmp_path / "tls" / "key.pem"
    return {"database_url": f"sqlite:///{tmp_path}/data/registry.db", "tls_key": key, "tls_certificate": key}


async def told(house: House) -> str:
    """What the plugin says of what it found."""
    await house.publish("healthcare/advice", POLICY)
    answer = await house.ask(await house.tenant("clinic", "healthcare"))
    return answer.headers["x-postil-fallback"]


@needs_landlock
async def test_a_plugin_reads_no_key_no_database_and_no_secret_of_the_gateway(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_house(tmp_path, *engine_at, plugins_dir=spying(tmp_path)) as house:
        assert nothing(OF_HOME) in await told(house)


@needs_landlock
async def test_a_plugin_reads_no_secret_outside_the_home_either(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], secrets: dict[str, Any]
) -> None:
    async with running_house(tmp_path, *engine_at, plugins_dir=spying(tmp_path, OUTSIDE), **secrets) as house:
        assert nothing(OUTSIDE) in await told(house)


@needs_landlock
async def test_a_plugin_of_a_worker_reads_no_secret_that_the_worker_was_not_told_of(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], secrets: dict[str, Any]
) -> None:
    del secrets["tls_key"], secrets["tls_certificate"]  # A worker knows of these, as it uses them.
    paths = [path for path in OUTSIDE if not path.startswith("tls")]
    async with running_pool(tmp_path, *engine_at, plugins_dir=spying(tmp_path, paths), **secrets) as house:
        assert nothing(paths) in await told(house)


@needs_landlock
def test_a_plugin_that_is_only_looked_at_reads_nothing_either(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "admin.key").write_text("secret")
    folder = spying(tmp_path)
    settings = Settings(home=home, plugins_dir=folder)
    plugins = PluginManager(entry_points=False, folder=folder, sandbox=sandbox_of(settings))
    (spy,) = (info for info in plugins.list_components() if info.name == "spy")
    assert spy.doc is not None
    assert spy.doc.startswith("Permission denied; ")
    assert spy.doc.endswith("; []")


def test_no_sandbox_is_made_where_settings_say_so(tmp_path: Path) -> None:
    assert sandbox_of(Settings(home=tmp_path, plugin_sandbox=False)) is None


def test_files_with_secrets_are_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTIL_DATABASE_URL_FILE", str(tmp_path / "url"))
    sandbox = sandbox_of(Settings(home=tmp_path / "home", artifacts=tmp_path / "shared"))
    assert sandbox is not None
    assert {str(tmp_path / name) for name in ("url", "home", "shared")} <= set(sandbox.denied)
    assert sandbox.readable == ()


@pytest.mark.parametrize("name", ["home", "shared"])
def test_plugins_in_the_folder_of_all_data_are_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    settings = Settings(home=tmp_path / "home", artifacts=tmp_path / "shared", plugins_dir=tmp_path / name)
    with pytest.raises(SettingsError, match=rf"POSTIL_PLUGINS_DIR names .*{name}, .* folder of their own"):
        sandbox_of(settings)


def test_a_home_that_modules_are_imported_from_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SettingsError, match="Python's path names"):
        sandbox_of(Settings(home=tmp_path))
