"""Write hashes.lock, the files that pins stand for: ``.venv/bin/python deploy/requirements/hashes.py``.

pip is asked which files it would install on Linux x86_64 with Python 3.11, where glibc is this machine's and where it
is 2.28; nothing is installed. Only layers whose files are the same at every source have hashes: torch's CPU build and
some of what vLLM needs are built by their sources, and vLLM for GPUs is resolved where it is installed. With
``PIP_CONFIG_FILE=/dev/null`` the public index alone is asked: run it so and with your own sources, and compare.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
LOCK = HERE / "hashes.lock"
LAYERS = ("core", "tune", "dev")
_PIP = (sys.executable, "-P", "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--dry-run")
_HOW = ("--no-deps", "--ignore-installed", "--only-binary", ":all:", "--report", "-")
_OLDER = ("--platform=manylinux_2_28_x86_64", "--platform=manylinux2014_x86_64", "--python-version=3.11")


def main() -> None:
    """Write the lock file."""
    with tempfile.TemporaryDirectory() as unused:
        reports = [_report(()), _report((*_OLDER, f"--target={unused}"))]
    LOCK.write_text("\n".join(lines(reports)) + "\n", encoding="utf-8")


def lines(reports: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each pin, with the hashes of all files that pip's reports name for it."""
    found: dict[str, set[str]] = {}
    for report in reports:
        for each in report["install"]:
            pin = f"{canonicalize_name(each['metadata']['name'])}=={each['metadata']['version']}"
            found.setdefault(pin, set()).add(each["download_info"]["archive_info"]["hashes"]["sha256"])
    return [" ".join([pin, *(f"--hash=sha256:{one}" for one in sorted(found[pin]))]) for pin in sorted(found)]


def _report(more: Sequence[str]) -> Mapping[str, Any]:
    named = [part for layer in LAYERS for part in ("--requirement", str(HERE / f"{layer}.txt"))]
    done = subprocess.run([*_PIP, *_HOW, *more, *named], check=True, stdout=subprocess.PIPE)
    report: Mapping[str, Any] = json.loads(done.stdout)
    return report


if __name__ == "__main__":
    main()
