"""Say whether the pins have a wheel for each Python and processor, and whether each extra resolves: ``make resolve``.

Nothing is installed, and pip is asked by its own configuration. The pins are asked for one by one, as ``make setup``
installs them; markers are those of the Python that runs this. Torch's CPU build is asked for apart: where pip finds
none, PyTorch's own index is asked.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")
EXTRAS = ("", "[cpu]", "[gpu]", "[tune]", "[otel]")
LAYERS = ("core", "cpu", "tune")
SETUP = HERE.parent / "setup.sh"
# How packages begin that are for one kind of processor alone.
OF_X86 = "intel-"
_PIP = (sys.executable, "-P", "-m", "pip", "install", "--disable-pip-version-check", "-qq", "--dry-run")
# Every glibc up to that of Ubuntu 22.04: pip takes no older one by itself.
_LINUX = (*(f"manylinux_2_{minor}" for minor in range(35, 16, -1)), "manylinux2014", "manylinux2010", "manylinux1")


def main() -> None:
    """Print a line for each Python and processor, and for each extra; exits with 1 if any does not resolve."""
    good = True
    for python in PYTHONS:
        for machine in MACHINES:
            good &= said(f"pins on Python {python}, {machine}", *asked(python, machine, pins(machine), ()))
            good &= said(f"torch on Python {python}, {machine}", *torch(python, machine))
    if sys.argv[1:] != ["--pins"]:
        wheel = sys.argv[1] if sys.argv[1:] else str(HERE.parents[1])
        for extra in EXTRAS:
            good &= said(f"postil{extra} on Python {platform.python_version()}", *resolved([f"{wheel}{extra}"]))
    sys.exit(not good)


def platforms(machine: str, *, newest: str = _LINUX[0]) -> list[str]:
    """Return pip's names of Linux on a processor, with a glibc up to ``newest``."""
    return [f"--platform={kind}_{machine}" for kind in _LINUX[_LINUX.index(newest) :]]


def pins(machine: str) -> list[str]:
    """Return the pinned packages for a processor, without torch."""
    lines = [line for layer in LAYERS for line in (HERE / f"{layer}.txt").read_text(encoding="utf-8").splitlines()]
    others = ("torch==",) if machine == "x86_64" else ("torch==", OF_X86)
    return [line for line in lines if not line.startswith(others)]


def torch(python: str, machine: str) -> tuple[bool, str]:
    """Ask for torch's CPU build where pip looks, and then at PyTorch's index."""
    lines = (HERE / "cpu.txt").read_text(encoding="utf-8").splitlines()
    (pin,) = [line for line in lines if line.startswith("torch==")]
    found, why = asked(python, machine, [pin], ())
    return (found, why) if found else asked(python, machine, [pin], ("--index-url", torch_index()))


def torch_index() -> str:
    """Return the index that setup takes torch's CPU build from where pip finds none."""
    found = re.search(r"^TORCH_INDEX=\$\{TORCH_INDEX:-(\S+)\}$", SETUP.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, "setup.sh names an index"
    return found[1]


def asked(python: str, machine: str, packages: Sequence[str], where: Sequence[str]) -> tuple[bool, str]:
    """Ask pip for exactly these packages, for another Python and processor."""
    with tempfile.TemporaryDirectory() as unused:
        how = ["--only-binary", ":all:", "--no-deps", f"--python-version={python}", f"--target={unused}"]
        return resolved([*platforms(machine), *how, *where, *packages])


def resolved(arguments: Sequence[str]) -> tuple[bool, str]:
    """Whether pip would install this, and what it says if not."""
    done = subprocess.run([*_PIP, "--ignore-installed", *arguments], capture_output=True, encoding="utf-8", check=False)
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
    return done.returncode == 0, errors[-1] if errors else done.stderr.strip()


def said(what: str, good: bool, why: str) -> bool:
    """Print a line."""
    print(f"{what}: {'resolved' if good else 'NOT resolved: ' + why}", flush=True)
    return good


if __name__ == "__main__":
    main()
