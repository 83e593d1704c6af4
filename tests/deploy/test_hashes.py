"""Pins have hashes where every source has the same file; the rest says that it has none."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from deploy.requirements.hashes import LAYERS, LOCK, OF_TESTS, lines
from tests.support.paths import ROOT

LINE = re.compile(r"[a-z0-9-]+==\S+( --hash=sha256:[0-9a-f]{64})+")
PINS = ROOT / "deploy" / "requirements"


def report(name: str, version: str, digest: str) -> dict[str, object]:
    """A part of what ``pip install --report`` says."""
    info = {"archive_info": {"hashes": {"sha256": digest}}}
    return {"install": [{"metadata": {"name": name, "version": version}, "download_info": info}]}


def test_every_pin_of_the_gateway_has_a_hash_and_no_other_line_is_there() -> None:
    locked = LOCK.read_text().splitlines()
    assert [line for line in locked if not LINE.fullmatch(line)] == []
    pins = {line for layer in (*LAYERS, *OF_TESTS) for line in (PINS / f"{layer}.txt").read_text().split()}
    assert {line.split()[0] for line in locked} == pins, "run `python -m deploy.requirements.hashes`"


def test_a_pin_has_the_hash_of_each_file_that_it_may_stand_for() -> None:
    made = lines([report("Some.Name", "1", "a" * 64), report("some_name", "1", "b" * 64), report("x", "2", "c" * 64)])
    assert made == [f"some-name==1 --hash=sha256:{'a' * 64} --hash=sha256:{'b' * 64}", f"x==2 --hash=sha256:{'c' * 64}"]


def test_set_up_asks_pip_to_hold_every_file_against_its_hash(tmp_path: Path) -> None:
    """The functions of setup.sh with a pip that writes down what it is asked."""
    script = (ROOT / "deploy" / "setup.sh").read_text()
    functions = script[script.index("pins() {") : script.index("bash deploy/setup/preflight.sh")]
    (tmp_path / "core.txt").write_text("a==1\nb==2\n")
    (tmp_path / "hashes.lock").write_text("a==1 --hash=sha256:00\nc==1 --hash=sha256:11\n")
    asked = 'install() { echo "$@"; cat "${@: -1}"; }\nrefuse() { exit 1; }\nis_locked() { [ "$1" = gateway ]; }\n'
    call = f"PINS={tmp_path}\ninstall_layer gateway {tmp_path / 'core.txt'}"
    done = subprocess.run(["bash", "-euc", asked + functions + call], capture_output=True, text=True, check=True)
    said = re.sub(r"-r \S+", "-r FILE", done.stdout).splitlines()
    assert said == [
        "gateway 1 --no-deps --require-hashes -r FILE",
        "a==1 --hash=sha256:00",
        "gateway, without a hash 1 --no-deps -r FILE",
        "b==2",
    ]
    other = call.replace("gateway", "elsewhere")
    done = subprocess.run(["bash", "-euc", asked + functions + other], capture_output=True, text=True, check=True)
    assert re.sub(r"-r \S+", "-r FILE", done.stdout).splitlines() == [
        "elsewhere, without a hash 2 --no-deps -r FILE",
        "a==1",
        "b==2",
    ]
