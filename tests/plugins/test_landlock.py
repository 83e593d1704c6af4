"""A process of plugins reads nothing that it is denied, where the kernel has Landlock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest

from postil.plugins import landlock
from postil.plugins.child_process import confine, environment, start
from postil.plugins.landlock import Sandbox, enter, version
from tests.support.landlock import needs_landlock

# What is tried, and the name of the error that came of it.
TRY = """
import errno, json, os, sys
from postil.plugins.child_process import confine
confine()
def read(path): open(path, "rb").read(1)
def write(path): open(path, "wb").write(b"x")
def signal(process): os.kill(int(process), 0)
def listed(path): os.listdir(path)
def imported(name): __import__(name)
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


def tried(
    home: Path, *acts: tuple[str, object], denied: Sequence[Path] = (), readable: Path | None = None, **variables: str
) -> Mapping[str, Any]:
    """What a confined process found when it tried this."""
    forbidden = tuple(str(path) for path in (home, *denied))
    sandbox = Sandbox(forbidden, str(home / "tmp"), (str(readable or home / "plugins"),)).within("legal")
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


@needs_landlock
def test_a_plugins_folder_or_a_path_of_modules_above_the_home_opens_nothing_in_it(home: Path) -> None:
    above, key = home.parent, home / "admin.key"
    (above / "beside_it.py").write_text("")
    (above / "package").mkdir()
    (above / "package" / "__init__.py").write_text("")
    acts = [("read", key), ("read", above / "data")]
    path = os.pathsep.join([str(above), *environment(os.environ)["PYTHONPATH"].split(os.pathsep)])
    imports = [("imported", "beside_it"), ("imported", "package")]
    by_setting = tried(home, *acts, readable=above)
    by_path = tried(home, *acts, *imports, PYTHONPATH=path)
    for found in (by_setting, by_path):
        assert (found[str(key)], found[str(above / "data")]) == ("EACCES", "done")
    assert (by_path["beside_it"], by_path["package"]) == ("done", "done")
    assert tried(home, *acts, readable=Path("/"))[str(key)] == "EACCES"


@needs_landlock
def test_a_folder_that_may_be_written_opens_nothing_that_is_denied_in_it(home: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    token, model = cache / "huggingface" / "token", cache / "huggingface" / "hub" / "model"
    token.parent.mkdir(parents=True)
    token.write_text("hf_secret")
    acts = [("read", token), ("write", token), ("write", model), ("read", home / "admin.key")]
    found = tried(home, *acts, denied=[token], XDG_CACHE_HOME=str(cache), POSTIL_PLUGIN_WRITABLE=str(tmp_path))
    assert [found[str(path)] for path in (token, model, home / "admin.key")] == ["EACCES", "done", "EACCES"]
    assert token.read_text() == "hf_secret"
    found = tried(home, *acts, denied=[token], HF_HOME=str(token.parent))
    assert [found[str(path)] for path in (token, model)] == ["EACCES", "done"]


@needs_landlock
def test_a_plugin_reads_and_writes_no_memory_that_processes_share_and_no_terminal(home: Path) -> None:
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as shared:
        new = f"{shared.name}-new"
        acts = [("read", shared.name), ("write", shared.name), ("write", new), ("listed", "/dev/shm")]
        found = tried(home, *acts, ("read", "/dev/tty"), ("read", "/dev/urandom"), ("write", "/dev/null"))
        assert [found[name] for name in (shared.name, new, "/dev/shm", "/dev/tty")] == ["EACCES"] * 4
        assert (found["/dev/urandom"], found["/dev/null"]) == ("done", "done")
        opened = tried(home, ("read", shared.name), POSTIL_PLUGIN_WRITABLE="/dev/shm")
        assert opened[shared.name] == "done"


TORCH = """
from postil.plugins.child_process import confine
confine()
import torch
torch.set_num_threads(2)
print(float((torch.ones(256, 256) @ torch.ones(256, 256)).mean()))
"""


@needs_landlock
@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed; `make setup` installs it")
def test_a_plugin_that_uses_torch_needs_no_shared_memory(home: Path) -> None:
    sandbox = Sandbox((str(home),), str(home / "tmp")).within("legal")
    given = environment(os.environ) | {"_POSTIL_SANDBOX": msgspec.json.encode(sandbox).decode()}
    said = subprocess.run([sys.executable, "-c", TORCH], env=given, capture_output=True, text=True)
    assert (said.stdout, said.returncode) == ("256.0\n", 0), said.stderr


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
