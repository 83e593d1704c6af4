"""The example package, installed as a stranger would install it, into a folder of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.paths import EXAMPLE_PLUGIN

EXAMPLE = EXAMPLE_PLUGIN


def copied(folder: Path) -> Path:
    """A copy of the example's source: to build it writes into it."""
    return shutil.copytree(EXAMPLE, folder / EXAMPLE.name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))


def install(source: Path, target: Path) -> Path:
    """Install a package with pip, from what is here alone; returns the folder to have on the path."""
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target
