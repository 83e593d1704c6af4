"""The example package: its own tests pass, and it is found where it is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.plugins.installed import EXAMPLE, copied, install
from tests.support.paths import ROOT

BIN = Path(sys.executable).parent
ASK = """
import json
from postil.plugins.manager import PluginManager

plugins = PluginManager()
ours = [offer for offer in plugins.list_components() if offer.plugin.startswith("postil_legal_citations")]
trusted = [offer.name for offer in ours if plugins.is_builtin(plugins.component(offer.kind, offer.name))]
print(json.dumps([[[offer.kind, offer.name, offer.version] for offer in ours], trusted]))
"""


def run(*command: str, folder: Path, path: Path | None = None) -> str:
    """What a program says that ends well."""
    known = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": "" if path is None else str(path)}
    done = subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as its authors have it."""
    return copied(tmp_path_factory.mktemp("source"))


def test_its_own_tests_pass(source: Path) -> None:
    said = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder=source)
    assert "passed" in said
    run(str(BIN / "ruff"), "check", "--no-cache", ".", folder=source)


def test_it_is_typed(source: Path, tmp_path: Path) -> None:
    types = tmp_path / "postil"
    types.mkdir()
    (types / "plugins").symlink_to(ROOT / "plugins")
    options = ["--strict", "--namespace-packages", "--explicit-package-bases", "--cache-dir", str(tmp_path / "cache")]
    files = [str(path) for path in sorted(source.rglob("*.py"))]
    where = f"MYPYPATH={source / 'src'}{os.pathsep}{tmp_path}"
    run("/usr/bin/env", where, str(BIN / "mypy"), *options, *files, folder=tmp_path)


def test_it_is_found_where_it_is_installed_and_not_trusted(source: Path, tmp_path: Path) -> None:
    target = install(source, tmp_path / "installed")
    found, trusted = json.loads(run(sys.executable, "-c", ASK, folder=tmp_path, path=target))
    assert found == [
        ["input check", "legal-privileged", "1"],
        ["listener", "legal-changes", "1"],
        ["validator", "legal-citations", "3"],
    ]
    assert trusted == []


def test_a_folder_called_plugins_in_an_authors_repository_stands_before_nothing(tmp_path: Path) -> None:
    for name in ("plugins", "registry", "gateway"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the wrong one')")
    ask = "from postil.plugins import Validator; from postil.plugins.testing import check_validator; print('ours')"
    assert run(sys.executable, "-c", ask, folder=tmp_path, path=tmp_path) == "ours\n"


def test_it_needs_nothing_of_postil_but_what_authors_get() -> None:
    lines = [line for path in EXAMPLE.rglob("*.py") for line in path.read_text(encoding="utf-8").splitlines()]
    imports = {line.split()[1] for line in lines if line.startswith(("from postil.", "import postil."))}
    assert imports == {"postil.plugins", "postil.plugins.testing"}


def test_its_readme_names_what_it_brings() -> None:
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] in readme
    assert all(f"`{name}`" in readme for name in ("legal-citations", "legal-privileged", "legal-changes"))
