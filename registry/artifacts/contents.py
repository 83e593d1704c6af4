"""What of a published folder is the adapter, and what only lay beside it."""

from __future__ import annotations

import json
from pathlib import Path

from postil.registry.defaults import REPORT
from postil.registry.errors import PreflightError
from postil.registry.policy.policy import MAX_POLICY_BYTES, Policy, parse_policy
from postil.registry.preflight.preflight import CONFIG, WEIGHTS

POLICY = "policy.yaml"
CARD = "README.md"
# An artifact is these and nothing else: a tokenizer or a model card beside them makes no other adapter.
KEPT = frozenset({CONFIG, WEIGHTS, REPORT})
_HOTTEST = 1e6


def policy_in(folder: Path) -> Policy | None:
    """The policy that lies in a folder as ``policy.yaml``, or None. Raises PolicyError."""
    path = folder / POLICY
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return parse_policy(file.read(MAX_POLICY_BYTES + 1))


def calibration_in(folder: Path) -> dict[str, float]:
    """What was fitted to an adapter's answers, of the report that lies beside it; empty where nothing was.

    Raises PreflightError for a temperature that is no number: whoever fitted one means it to be in force.
    """
    try:
        found = json.loads((folder / REPORT).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    part = found.get("calibration") if isinstance(found, dict) else None
    if not isinstance(part, dict) or "temperature" not in part:
        return {}
    temperature = part["temperature"]
    # Written so that NaN, infinity and numbers of hundreds of digits are none: no database keeps them.
    if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 < temperature < _HOTTEST:
        raise PreflightError(
            f"{REPORT} has the calibration temperature {str(temperature)[:40]!r}, which has to be a number above 0;"
            " let `postil evaluate` write it"
        )
    return {"temperature": float(temperature)}


def keep_the_adapter(folder: Path) -> None:
    """Drop what is no part of the adapter from a folder of ``artifacts.incoming()``."""
    for path in folder.iterdir():
        if path.name not in KEPT:
            path.unlink()
