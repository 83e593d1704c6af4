"""Plugins that are installed: a distribution of two files on the path of a fresh interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

GOOD = """
from postil.plugins import Validator, Verdict, hookimpl

class Polite(Validator):
    name = "polite"

    def judge(self, exchange, completion):
        return Verdict.passed()

@hookimpl
def postil_validators():
    return [Polite]
"""
ASK = """
from postil.plugins.errors import PluginLoadError
from postil.plugins.manager import PluginManager

try:
    print([offer.name for offer in PluginManager().list_components()])
except PluginLoadError as error:
    print("refused:", error)
"""


def install(folder: Path, module: str, source: str | None) -> None:
    """A distribution with the entry point ``module`` in the group ``postil``; ``source`` None: no module at all."""
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[postil]\n{module} = {module}\n")
    if source is not None:
        (folder / f"{module}.py").write_text(source)


def ask(folder: Path) -> str:
    """What a fresh interpreter says of the plugins installed in ``folder``."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True, cwd=folder
    ).stdout.strip()


def test_an_installed_plugin_is_found(tmp_path: Path) -> None:
    install(tmp_path, "polite_words", GOOD)
    assert "'polite'" in ask(tmp_path)


def test_an_installed_plugin_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    install(tmp_path, "polite_words", GOOD)
    install(tmp_path, "gone", None)
    assert ask(tmp_path) == (
        "refused: the installed plugin gone cannot be loaded (ModuleNotFoundError(\"No module named 'gone'\"));"
        " mend or uninstall it"
    )


def test_an_installed_plugin_that_raises_when_imported_is_named(tmp_path: Path) -> None:
    install(tmp_path, "broken", "1 / 0")
    assert ask(tmp_path).startswith("refused: the installed plugin broken cannot be loaded (ZeroDivisionError(")


def test_an_installed_plugin_with_a_misspelt_hook_is_refused(tmp_path: Path) -> None:
    install(tmp_path, "misspelt", GOOD.replace("postil_validators", "postil_validator"))
    assert "unknown hook 'postil_validator'" in ask(tmp_path)
