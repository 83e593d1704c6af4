"""A process of plugins reads nothing that it is denied, where the kernel has Landlock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from postil.plugins import landlock
from postil.plugins.child_process import confine, environment, start
from postil.plugins.landlock import Sandbox, enter, version

needs_landlock = pytest.mark.skipif(version() == 0, reason="this kernel has no Landlock")
# What is tried, and the name of the error that came of it.
TRY = """
import errno, json, os, sys
from postil.plugins.child_process import confine
confine()
def read(path): open(path, "rb").read(1)
def write(path): open(path, "wb").write(b"x")
def signal(process): os.kill(int(process), 0)
found = {}
for act, subject in json.loads(sys.argv[1]):
    try:
        globals()[act](subject)
        found[subject] = "done"
    except OSError as error:
        found[subject] = errno.errorcode[error.errno]
found["temporary"] = os.environ["TMPDIR"]
found["sandbox"] = os.environ.get("_POSTIL_SANDBOX")
print(json.dumps(found))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a secret, plugins, and a folder for temporary files in it."""
    made = tmp_path / "home"
    for name in ("plugins", "tmp"):
        (made / name).mkdir(parents=True)
    (made / "admin.key").write_text("secret")
    (made / "plugins" / "one.py").write_text("a plugin")
    (tmp_path / "data").write_text("beside it")
    (tmp_path / "link").symlink_to(made)
    return made


def tried(home: Path, *acts: tuple[str, object], **variables: str) -> Mapping[str, Any]:
    """What a confined process found when it tried this."""
    sandbox = Sandbox((str(home),), str(home / "tmp"), (str(home / "plugins"),)).within("legal")
    given = environment(os.environ) | {"_POSTIL_SANDBOX": msgspec.json.encode(sandbox).decode()} | variables
    command = [sys.executable, "-c", TRY, json.dumps([(act, str(subject)) for act, subject in acts])]
    said = subprocess.run(command, env=given, capture_output=True, check=True, text=True)
    found: Mapping[str, Any] = json.loads(said.stdout)
    return found


@needs_landlock
def test_a_plugin_reads_no_admin_key_whatever_the_way_to_it(home: Path) -> None:
    link = home.parent / "link" / "admin.key"
    found = tried(
        home,
        ("read", home / "admin.key"),
        ("read", link),
        ("write", home / "new"),
        ("read", home / "plugins" / "one.py"),
    )
    assert [found[str(path)] for path in (home / "admin.key", link, home / "new")] == ["EACCES"] * 3
    assert found[str(home / "plugins" / "one.py")] == "done"


@needs_landlock
def test_a_plugin_writes_to_its_own_folder_and_to_those_that_an_admin_names(home: Path, tmp_path: Path) -> None:
    named = tmp_path / "named"
    named.mkdir()
    places = [home / "tmp" / "legal" / "a", named / "a", tmp_path / "a", "/dev/null", home / "tmp" / "a"]
    found = tried(home, *(("write", place) for place in places), POSTIL_PLUGIN_WRITABLE=str(named))
    assert [found[str(place)] for place in places] == ["done", "done", "EACCES", "done", "EACCES"]
    assert found["temporary"] == str(home / "tmp" / "legal")
    assert found["sandbox"] is None


@needs_landlock
def test_a_plugin_reads_what_is_nobodys_secret(home: Path) -> None:
    places = [home.parent / "data", "/etc/passwd", "/proc/self/status", "/proc/meminfo", os.__file__]
    found = tried(home, *(("read", place) for place in places))
    assert [found[str(place)] for place in places] == ["done"] * 5


@needs_landlock
def test_a_plugin_reads_neither_environment_nor_memory_of_the_gateway_and_sends_it_no_signal(home: Path) -> None:
    other = os.getpid()
    found = tried(home, ("read", f"/proc/{other}/environ"), ("read", f"/proc/{other}/mem"), ("signal", other))
    assert found[f"/proc/{other}/environ"] in ("EACCES", "EPERM")
    assert found[f"/proc/{other}/mem"] in ("EACCES", "EPERM")
    if version() >= 6:
        assert found[str(other)] == "EPERM"


def test_a_machine_without_landlock_is_told_so_and_plugins_run(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    sandbox = Sandbox((str(home),), str(home / "tmp"))
    monkeypatch.setenv("TMPDIR", "/tmp")
    monkeypatch.setenv("_POSTIL_SANDBOX", msgspec.json.encode(sandbox).decode())
    assert version() == 0
    confine()
    assert "no Landlock" in capsys.readouterr().err
    assert os.environ["TMPDIR"] == str(home / "tmp")
    confine()
    assert capsys.readouterr().err == ""


class Kernel:
    """A kernel whose answers are given."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.rules: list[bytes] = []

    def syscall(self, number: int, *arguments: Any) -> int:
        """Answer the next one; rules are kept."""
        if number == 445:
            self.rules.append(arguments[2])
            return 0
        return self.answers.pop(0)

    def prctl(self, *arguments: int) -> int:
        """Answer yes."""
        return 0


@pytest.mark.parametrize(
    ("found", "makes_rules", "restricts"), [(0, False, 0), (1, False, -1), (5, True, -1), (5, True, 0), (7, True, 0)]
)
def test_a_kernel_that_refuses_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, found: int, makes_rules: bool, restricts: int
) -> None:
    monkeypatch.setenv("TMPDIR", "/tmp")
    monkeypatch.setattr(sys, "platform", "linux")
    kernel = Kernel(found, os.open(os.devnull, os.O_RDONLY) if makes_rules else -1, restricts)
    monkeypatch.setattr(landlock, "_libc", lambda: kernel)
    assert enter(Sandbox((str(home),), str(home / "tmp"))) == (makes_rules and restricts == 0)
    assert bool(kernel.rules) == makes_rules


def test_a_process_is_started_with_its_sandbox(home: Path) -> None:
    sandbox = Sandbox((str(home),), str(home / "tmp"))
    with open(os.devnull, "r+b") as nothing:
        process = start("platform", [], nothing.fileno(), nothing.fileno(), sandbox)
    assert process.wait(20) == 0
