"""What processes with plugins in them get of this one, and what is kept of what they print."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from postil.plugins.child_process import environment, keep_log_short, kill, start


def test_no_secret_of_the_environment_is_passed_on() -> None:
    given = {"POSTIL_ADMIN_KEY": "secret", "PATH": "/bin", "POSTIL_PLUGIN_WORDS": "a", "OMP_NUM_THREADS": "1"}
    assert set(environment(given)) == {
        "PATH",
        "POSTIL_PLUGIN_WORDS",
        "OMP_NUM_THREADS",
        "PYTHONPATH",
        "PYTHONUNBUFFERED",
    }


def test_a_process_that_has_ended_already_is_ended_and_its_status_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*arguments: object) -> None:
        raise ProcessLookupError

    monkeypatch.setattr(os, "setpriority", gone)
    with open(os.devnull, "r+b") as nothing:
        process = start("platform", [], nothing.fileno(), nothing.fileno())
    assert process.wait(60) == 0
    assert kill(process) == 0


@pytest.mark.skipif("COVERAGE_PROCESS_CONFIG" not in os.environ, reason="nothing is measured")
def test_where_coverage_is_measured_processes_that_are_started_are_measured_too() -> None:
    """Or else lines that run in those alone are missed: ``coverage`` has to be installed in this very environment."""
    said = subprocess.run([sys.executable, "-c", "import sys; print('coverage' in sys.modules)"], capture_output=True)
    assert said.stdout == b"True\n", "no a1_coverage.pth here; run `python -m pip install --force-reinstall coverage`"


def test_what_was_printed_last_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * (1 << 20) + b"the end")
    log = os.open(path, os.O_RDWR | os.O_APPEND)
    threading.Thread(target=keep_log_short, args=(log,), daemon=True).start()
    while path.stat().st_size > 1 << 17:
        os.sched_yield()
    while not path.read_bytes().endswith(b"the end"):
        os.sched_yield()
    assert path.read_bytes().startswith(b"(what came before was dropped)\n")
    assert sys.executable
