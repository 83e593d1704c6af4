"""What processes with plugins in them get of this one, and what is kept of what they print."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from postil.plugins.child_process import bound_memory, bound_time, environment, keep_log_short, kill, start


def test_no_secret_of_the_environment_is_passed_on() -> None:
    given = {"POSTIL_ADMIN_KEY": "secret", "PATH": "/bin", "POSTIL_PLUGIN_WORDS": "a", "OMP_NUM_THREADS": "1"}
    assert set(environment(given)) == {
        "PATH",
        "POSTIL_PLUGIN_WORDS",
        "OMP_NUM_THREADS",
        "PYTHONPATH",
        "PYTHONUNBUFFERED",
        "PYTHONUTF8",
    }


def test_a_process_that_has_ended_already_is_ended_and_its_status_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*arguments: object) -> None:
        raise ProcessLookupError

    monkeypatch.setattr(os, "setpriority", gone)
    with open(os.devnull, "r+b") as nothing:
        process = start("platform", [], nothing.fileno(), nothing.fileno())
    assert process.wait(60) == 0
    assert kill(process) == 0


BOUNDS = """
import resource
from postil.plugins.child_process import bound_memory, bound_time
resource.setrlimit(resource.RLIMIT_CPU, (50, 60))
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 2 << 30))
bound_time({seconds})
bound_memory({memory})
print(resource.getrlimit(resource.RLIMIT_CPU), resource.getrlimit(resource.RLIMIT_DATA))
"""


@pytest.mark.parametrize(
    ("seconds", "memory", "found"),
    [(100, 4 << 30, f"(60, 60) ({2 << 30}, {2 << 30})"), (9, 1 << 20, f"(10, 11) ({1 << 20}, {1 << 20})")],
)
def test_a_limit_that_an_admin_has_set_is_not_raised(seconds: int, memory: int, found: str) -> None:
    code = BOUNDS.format(seconds=seconds, memory=memory)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert said.stdout.strip() == found, said.stderr


def test_bounds_are_set_where_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[int, tuple[int, int]]] = []
    known = {resource.RLIMIT_CPU: (-1, -1), resource.RLIMIT_DATA: (-1, 5)}
    monkeypatch.setattr(resource, "getrlimit", known.__getitem__)
    monkeypatch.setattr(resource, "setrlimit", lambda what, pair: found.append((what, pair)))
    bound_time(100)
    bound_memory(1000)
    (_, (soft, hard)), (_, memory), (_, core) = found
    assert (hard - soft, memory, core) == (1, (5, 5), (0, 0))


def test_a_process_reads_what_it_is_given_and_its_errors_may_go_elsewhere() -> None:
    process = start("json.tool", [], None, subprocess.PIPE, given=subprocess.PIPE, errors=subprocess.PIPE)
    with process:
        said, errors = process.communicate(b"[1", 60)
    assert said == b""
    assert b"Expecting" in errors


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


def test_a_process_of_our_own_gets_nothing_that_is_meant_for_plugins() -> None:
    given = {"PATH": "/bin", "POSTIL_PLUGIN_TOKEN": "x", "OMP_NUM_THREADS": "1", "TMPDIR": "/tmp"}
    assert environment(given)["POSTIL_PLUGIN_TOKEN"] == "x"
    ours = environment(given, {"TMPDIR": "/home/job"})
    assert "POSTIL_PLUGIN_TOKEN" not in ours
    assert (ours["PATH"], ours["OMP_NUM_THREADS"], ours["TMPDIR"]) == ("/bin", "1", "/home/job")
