"""The policy of an adapter's first release, from what its training reported: to answer as it was trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postil.registry.policy.policy import Policy, policy_from

_TOKENS = 64


def first_policy(report: Mapping[str, Any]) -> Policy:
    """The prompt, labels and reject label of the training, and the confidence that its report advises.

    An answer that fails a check is held back for a person's review. What was not trained for labels gets its prompt
    alone. Raises PolicyError.
    """
    if "confidence" not in report:
        return policy_from({"system_prompt": report["instruction"] or None})
    output = {"labels": [*report["labels"]], "field": report["field"], "reject": report["reject"]}
    minimum = report["confidence"]["minimum"]
    return policy_from(
        {
            "system_prompt": report["instruction"] or None,
            "defaults": {"temperature": 0},
            "sampling": {"max_tokens": _TOKENS},
            "output": {name: value for name, value in output.items() if value is not None},
            "validators": [{"name": "labels"}, {"name": "confidence", "config": {"minimum": minimum}}],
        }
    )
