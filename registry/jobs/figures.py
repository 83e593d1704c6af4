"""The figures that a job shows of its result, from the report of whichever method made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The parts of a report that hold them.
MEASURED = {"adapter_metrics", "base_metrics", "before", "trained", "served"}


def figures(report: Mapping[str, Any]) -> dict[str, float]:
    """Return ``accuracy``, ``base_accuracy`` and ``full_valid_loss``, each where the report has it.

    Of labels, accuracy is the share of right ones; of preferences, how often the better answer is the likelier one.
    """
    if "adapter_metrics" in report:
        after, before = report["adapter_metrics"], report["base_metrics"]
    else:
        after, before = _measured(report["served"] or report["trained"]), _measured(report["before"])
    found = {
        "accuracy": after.get("accuracy"),
        "base_accuracy": before.get("accuracy"),
        "full_valid_loss": after.get("loss"),
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def _measured(one: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = one["answers"] or one["preferences"]
    return found
