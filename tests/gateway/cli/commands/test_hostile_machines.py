"""Commands in a process of their own, on a machine that is short of something: one sentence, and no traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.gateway.cli.commands.test_commands import POSTIL

ELSEWHERE = {"POSTIL_ENGINE_URL": "http://localhost:1"}
FULL = Path("/dev/full")


def run(
    folder: Path, *arguments: str, out: Path | None = None, environment: Mapping[str, str] = MappingProxyType({})
) -> tuple[int, str, str]:
    """Run the command; returns its exit status, what it said, and its complaints."""
    known = {"PATH": os.environ["PATH"], "HOME": str(folder), "POSTIL_HOME": str(folder / "home"), "COLUMNS": "200"}
    with (out or Path(os.devnull)).open("wb") as file:
        done = subprocess.run(
            [str(POSTIL), *arguments],
            cwd=folder,
            env={**known, **environment},
            stdin=subprocess.DEVNULL,
            stdout=file if out else subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    complaints = done.stderr.decode(errors="replace")
    assert "Traceback" not in complaints
    return done.returncode, (done.stdout or b"").decode(errors="surrogateescape"), complaints


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["policy", "schema"], ["policy", "check", "p.yaml"]])
def test_output_to_a_full_disk_is_one_sentence(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "p.yaml").write_text("output: {labels: [a, b]}\n")
    status, _, complaints = run(tmp_path, *arguments, out=FULL)
    assert status == 1
    assert complaints.startswith("error: the output cannot be written (No space left on device)")
    assert len(complaints.splitlines()) == 1


def test_a_database_that_cannot_be_ends_the_start_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(0o700)
    (tmp_path / "home" / "postil.db").write_bytes(b"this is no database " * 1000)
    status, _, complaints = run(tmp_path, "serve", "--port", "0", environment=ELSEWHERE)
    assert status == 1
    assert "is damaged, or no database: restore a backup" in complaints
    assert "preparing the base model" not in complaints


def test_a_home_that_cannot_be_made_ends_the_start_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, _, complaints = run(tmp_path, "serve", "--home", "file/below", environment=ELSEWHERE)
    assert (status, len(complaints.splitlines())) == (1, 1), complaints
    assert complaints.startswith("error: ")


POLICY = """
output: {labels: [Rückfrage, billing]}
sampling: {temperature: 0}
"""


def _locales(folder: Path) -> dict[str, str]:
    """The environment of a Latin-1 locale, made here; where that cannot be, of one that has ASCII only."""
    tool = shutil.which("localedef")
    if tool is not None:
        made = folder / "de_DE.ISO-8859-1"
        done = subprocess.run([tool, "-i", "de_DE", "-f", "ISO-8859-1", str(made)], capture_output=True, check=False)
        if made.exists() and done.returncode <= 1:
            return {"LOCPATH": str(folder), "LC_ALL": "de_DE.ISO-8859-1"}
    return {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def test_a_policy_is_utf_8_in_every_locale_and_what_that_cannot_show_is_an_escape(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_bytes(b"\xef\xbb\xbf" + POLICY.encode())
    status, out, complaints = run(tmp_path, "policy", "check", "p.yaml", environment=_locales(tmp_path))
    assert (status, complaints) == (0, "")
    assert out.startswith("p.yaml is right")
    (tmp_path / "p.yaml").write_text(POLICY + "fallback: [{name: error, when: [中文]}]\n", encoding="utf-8")
    status, _, complaints = run(tmp_path, "policy", "check", "p.yaml", environment=_locales(tmp_path))
    assert status == 1
    assert "'\\u4e2d\\u6587'" in complaints


def test_a_shell_that_has_the_completion_installed_is_answered(tmp_path: Path) -> None:
    asked = {"_POSTIL_COMPLETE": "complete_bash", "COMP_WORDS": "postil pub", "COMP_CWORD": "1"}
    assert run(tmp_path, environment=asked)[1].split() == ["publish"]
    status, out, _ = run(tmp_path, "--help")
    assert (status, "--install-completion" in out) == (0, True)
