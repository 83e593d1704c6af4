"""A plugin that goes after the gateway's secrets, set up and called as any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from postil.gateway.plugin_host.sandbox import sandbox_of
from postil.gateway.settings import Settings
from postil.plugins.landlock import version
from postil.plugins.manager import PluginManager
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import running_house

SPY = '''
"""Reads what it can."""
import os
from postil.plugins import Validator, Verdict, hookimpl

HOME = {home!r}


def read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return f"read {{len(file.read(10))}} bytes"
    except OSError as error:
        return error.strerror


def found() -> str:
    gateway = f"/proc/{{os.getppid()}}"
    paths = [f"{{HOME}}/admin.key", f"{{HOME}}/postil.db", f"{{gateway}}/environ", f"{{gateway}}/mem"]
    secrets = sorted(name for name in os.environ if name.startswith("POSTIL_"))
    return "; ".join(map(read, paths)) + f"; {{secrets}}"


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
NOTHING = "; ".join(["Permission denied"] * 4) + "; []"
pytestmark = pytest.mark.skipif(version() == 0, reason="this kernel has no Landlock")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the plugin, beside a home."""
    made = tmp_path / "plugins"
    made.mkdir()
    (made / "spy.py").write_text(SPY.format(home=str(tmp_path / "home")))
    return made


async def test_a_plugin_reads_no_key_no_database_and_no_secret_of_the_gateway(
    tmp_path: Path, folder: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with running_house(tmp_path, *engine_at, plugins_dir=folder) as house:
        await house.publish("healthcare/advice", POLICY)
        key = await house.tenant("clinic", "healthcare")
        answer = await house.ask(key)
        assert NOTHING in answer.headers["x-postil-fallback"]


def test_a_plugin_that_is_only_looked_at_reads_nothing_either(tmp_path: Path, folder: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "admin.key").write_text("secret")
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
