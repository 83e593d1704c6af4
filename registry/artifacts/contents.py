"""Which files of a published folder belong to the adapter."""

from __future__ import annotations

import json
from pathlib import Path

from postil.registry.defaults import REPORT
from postil.registry.errors import PreflightError
from postil.registry.policy.policy import MAX_POLICY_BYTES, Policy, parse_policy
from postil.registry.preflight.preflight import CONFIG, WEIGHTS

POLICY = "policy.yaml"
CARD = "README.md"
# An artifact contains only these: other files, such as a model card, must not change its digest.
KEPT = frozenset({CONFIG, WEIGHTS, REPORT})
_HOTTEST = 1e6


def policy_in(folder: Path) -> Policy | None:
    """Read the folder's ``policy.yaml``; None if there is none. Raises PolicyError."""
    path = folder / POLICY
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return parse_policy(file.read(MAX_POLICY_BYTES + 1))


def calibration_in(folder: Path) -> dict[str, float]:
    """Read the calibration from the folder's training report; empty if there is none.

    Raises PreflightError if the temperature is not a number, because its author expects it to apply.
    """
    try:
        found = json.loads((folder / REPORT).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    part = found.get("calibration") if isinstance(found, dict) else None
    if not isinstance(part, dict) or "temperature" not in part:
        return {}
    temperature = part["temperature"]
    # This form excludes NaN, infinity and numbers of hundreds of digits, which databases cannot store.
    if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 < temperature < _HOTTEST:
        raise PreflightError(
            f"{REPORT} has the calibration temperature {str(temperature)[:40]!r}, which has to be a number above 0;"
            " let `postil evaluate` write it"
        )
    return {"temperature": float(temperature)}


def keep_the_adapter(folder: Path) -> None:
    """Delete the files that do not belong to the adapter from a folder of ``artifacts.incoming()``."""
    for path in folder.iterdir():
        if path.name not in KEPT:
            path.unlink()
