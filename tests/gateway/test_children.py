"""Programs that the gateway starts take no module from the folder in which it was started."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from postil.gateway.engine.process.child import EngineProcess
from postil.gateway.engine.process.launch_args import command, environment
from postil.gateway.settings import Settings
from tests.support.paths import ROOT

# The first option of a Python that is started, by its line or over several.
_STARTED = re.compile(r"sys\.executable,\s*(\S+?),")
ROOMS = ("gateway", "registry", "plugins", "deploy")


def test_no_program_of_the_products_is_started_with_the_working_folder_on_its_path() -> None:
    first = {
        f"{path.relative_to(ROOT)}: {option}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for option in _STARTED.findall(path.read_text())
    }
    assert len(first) >= 8
    assert {each for each in first if not each.endswith('"-P"')} == set()


async def test_a_module_that_lies_in_the_working_folder_does_not_run_in_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    (trap / "vllm").mkdir(parents=True)
    for name in ("psutil.py", "vllm/__init__.py", "json.py"):
        (trap / name).write_text(f"open({str(tmp_path / 'sprung')!r}, 'w').close()\nraise SystemExit(3)\n")
    monkeypatch.chdir(trap)
    given = Settings(home=tmp_path)
    line = command(given, tmp_path, tmp_path / "s", cpu=True)[:2]
    asked = [
        *line,
        "-c",
        "import json, psutil, sys, subprocess; subprocess.run([sys.executable, '-c', 'import psutil'])",
    ]
    process = EngineProcess(asked, environment(os.environ, given, cpu=True), tmp_path / "run" / "s", tmp_path / "log")
    await process.start()
    assert await process.wait() == 0
    assert not (tmp_path / "sprung").exists()
