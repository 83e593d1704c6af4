"""What a newcomer does with the wheel on Python 3.12 and 3.13: installs the gateway without an engine, and uses it.

Run by the machine's own Python (``.ci/run``). The wheel is built once, from a copy of what it is made of, and installed
into a fresh environment of each Python; ``tests/wheel_smoke.py`` then runs in that. ``python -m tests.from_wheel 3.12``
runs one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("3.12", "3.13")
PACKED = ("gateway", "registry", "plugins", "deploy/demo", "pyproject.toml", "setup.py", "README.md", "LICENSE")
FIND = """. deploy/setup/find_python.sh
for each in $(candidates "$0"); do if starts "$each" "$0"; then echo "$each"; exit; fi; done"""


def main() -> None:
    """Exit with a sentence if the wheel cannot be built, installed or used on one of the Pythons."""
    with built_wheel(Path(sys.executable)) as wheel:
        for version in sys.argv[1:] or VERSIONS:
            python = found(version)
            if python is None:
                print(f"from wheel: no Python {version} starts here; it was skipped")
                if os.environ.get("CI"):
                    sys.exit(f"from wheel: CI has to run Python {version}")
                continue
            began = time.monotonic()
            with installed(python, wheel) as binaries:
                took = time.monotonic() - began
                run([binaries / "python", "-P", ROOT / "tests" / "wheel_smoke.py"], PYTHONPATH=str(ROOT))
            whole = time.monotonic() - began
            print(f"from wheel: Python {version} installed it in {took:.0f} s, and all took {whole:.0f} s")


@contextmanager
def built_wheel(python: Path) -> Iterator[Path]:
    """Build the wheel from a copy of its sources, so that nothing else of the checkout gets into it."""
    with tempfile.TemporaryDirectory(prefix="postil-wheel-") as folder:
        source = Path(folder) / "source"
        for name in PACKED:
            path, copy = ROOT / name, source / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, copy, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(path, copy)
        pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
        run([*pip, "--wheel-dir", folder, source])
        (wheel,) = Path(folder).glob("postil-*.whl")
        yield wheel


@contextmanager
def installed(python: Path, wheel: Path) -> Iterator[Path]:
    """Install the wheel and what it needs, in the pinned versions, into a fresh environment; yields its programs."""
    with tempfile.TemporaryDirectory(prefix="postil-venv-") as folder:
        run([python, "-m", "venv", folder])
        binaries = Path(folder) / "bin"
        pip: list[str | Path] = [
            binaries / "python",
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "-qq",
            "--no-compile",
        ]
        run([*pip, "--constraint", ROOT / "deploy" / "requirements" / "core.txt", wheel])
        yield binaries


def found(version: str) -> Path | None:
    """Return a Python of that version that starts, as ``make setup`` finds it."""
    done = subprocess.run(["bash", "-c", FIND, version], cwd=ROOT, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip()) if done.stdout.strip() else None


def run(command: list[str | Path], **environment: str) -> None:
    """Run a command; exit with what it was if it fails."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("POSTIL_")}
    done = subprocess.run(command, env={**own, **environment}, check=False)
    if done.returncode:
        sys.exit(f"from wheel: {' '.join(map(str, command))} ended with status {done.returncode}")


if __name__ == "__main__":
    main()
