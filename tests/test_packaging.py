"""The distribution: what is packed, what it stands on, and how large a file may be."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT

FLOORS = ["gateway", "registry", "plugins"]
PINS = sorted((ROOT / "deploy" / "requirements").glob("*.txt"))
HEAVY = ["torch", "transformers", "vllm", "peft", "trl"]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def product() -> list[Path]:
    """Every Python file of the three floors and of what is deployed; examples are packages of their own."""
    found = [path for floor in (*FLOORS, "deploy") for path in sorted((ROOT / floor).rglob("*.py"))]
    return [path for path in found if not path.is_relative_to(ROOT / "plugins" / "examples")]


def test_every_package_of_the_tree_is_packed(tmp_path: Path) -> None:
    folders = {path.parent.relative_to(ROOT) for path in product() if not path.is_relative_to(ROOT / "deploy")}
    found = {"postil." + ".".join(folder.parts) for folder in folders}
    ask = "import setuptools; setuptools.setup = lambda **given: print(*given['packages']); import runpy; "
    done = subprocess.run(
        [sys.executable, "-c", ask + "runpy.run_path('setup.py')"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert sorted(done.stdout.split()) == sorted(found | {"postil.demo"})


def test_every_package_says_that_it_is_one() -> None:
    without = {path.parent for path in product() if not (path.parent / "__init__.py").exists()}
    assert without <= {ROOT / "deploy" / "requirements"}


def test_the_consoles_templates_and_files_are_packed(project: dict[str, Any]) -> None:
    folder = ROOT / "gateway" / "api" / "console"
    packed = project["tool"]["setuptools"]["package-data"]["postil.gateway.api.console"]
    found = {path for pattern in packed for path in folder.glob(pattern)}
    assert {path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")} == found


def test_there_are_pins() -> None:
    assert [path.stem for path in PINS] == ["core", "cpu", "dev", "tune"]


@pytest.mark.parametrize("path", PINS, ids=lambda path: str(path.stem))
def test_a_pin_is_a_name_and_a_version_and_no_address(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*==[0-9][A-Za-z0-9.+!]*", line)] == []


def test_nothing_is_pinned_twice() -> None:
    names = [line.partition("==")[0] for path in PINS for line in path.read_text().splitlines() if "==" in line]
    assert len(names) == len(set(names))


def test_what_the_gateway_needs_is_pinned(project: dict[str, Any]) -> None:
    pinned = {line.partition("==")[0] for line in (ROOT / "deploy/requirements/core.txt").read_text().splitlines()}
    needed = {re.split(r"[\[<>=]", need)[0] for need in project["project"]["dependencies"]}
    assert needed - pinned == set()


@pytest.mark.parametrize("path", product(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150


@pytest.mark.parametrize(
    "module", ["postil.gateway.cli.main", "postil.gateway.server.app", "postil.registry.releases.service"]
)
def test_what_is_heavy_is_not_imported(module: str) -> None:
    ask = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
