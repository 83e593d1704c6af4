"""Write hashes.lock, the files that pins stand for: ``.venv/bin/python -m deploy.requirements.hashes``.

pip is asked which files it would install on Linux x86_64: here, and with Python 3.11 to 3.13, where glibc is new and
where it is 2.28; nothing is installed. What tests need has hashes for Python 3.11 alone. Elsewhere ``setup.sh`` goes by
names and versions. Only layers whose files are the same at every source have hashes: torch's CPU build and some of what
vLLM needs are built by their sources, and vLLM for GPUs is resolved where it is installed. With
``PIP_CONFIG_FILE=/dev/null`` the public index alone is asked: run it so and with your own sources, and compare.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from deploy.requirements.resolve import platforms

HERE = Path(__file__).parent
LOCK = HERE / "hashes.lock"
LAYERS, OF_TESTS = ("core", "tune"), ("dev",)
PYTHONS = ("3.11", "3.12", "3.13")
_PIP = (sys.executable, "-P", "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--dry-run")
_HOW = ("--no-deps", "--ignore-installed", "--only-binary", ":all:", "--report", "-")
# The oldest glibc that is served: a wheel for it serves newer ones too, and is another file than theirs.
_OLDEST = "manylinux_2_28"


def main() -> None:
    """Write the lock file."""
    with tempfile.TemporaryDirectory() as unused:
        LOCK.write_text("\n".join(lines(list(_reports(unused)))) + "\n", encoding="utf-8")


def lines(reports: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each pin, with the hashes of all files that pip's reports name for it."""
    found: dict[str, set[str]] = {}
    for report in reports:
        for each in report["install"]:
            pin = f"{canonicalize_name(each['metadata']['name'])}=={each['metadata']['version']}"
            found.setdefault(pin, set()).add(each["download_info"]["archive_info"]["hashes"]["sha256"])
    return [" ".join([pin, *(f"--hash=sha256:{one}" for one in sorted(found[pin]))]) for pin in sorted(found)]


def _reports(unused: str) -> Iterator[Mapping[str, Any]]:
    yield _report((), (*LAYERS, *OF_TESTS))
    for python in PYTHONS:
        layers = (*LAYERS, *OF_TESTS) if python == PYTHONS[0] else LAYERS
        for kinds in (platforms("x86_64"), platforms("x86_64", newest=_OLDEST)):
            yield _report((*kinds, f"--python-version={python}", f"--target={unused}"), layers)


def _report(more: Sequence[str], layers: Sequence[str]) -> Mapping[str, Any]:
    named = [part for layer in layers for part in ("--requirement", str(HERE / f"{layer}.txt"))]
    done = subprocess.run([*_PIP, *_HOW, *more, *named], check=True, stdout=subprocess.PIPE)
    report: Mapping[str, Any] = json.loads(done.stdout)
    return report


if __name__ == "__main__":
    main()
