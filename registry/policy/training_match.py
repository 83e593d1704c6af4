"""Whether a policy says what its adapter was trained with: another prompt or other labels make answers worse."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from postil.registry.defaults import REPORT
from postil.registry.policy.policy import Output, Policy

_SHOWN, _NAMED = 60, 5


def training_warnings(policy: Policy, report: Mapping[str, Any]) -> list[str]:
    """Say where a policy differs from a training report, which may be anybody's JSON."""
    found = [_of_prompt(policy.system_prompt, report.get("instruction"))]
    if policy.output is not None and policy.output.labels is not None:
        found += [
            _of_labels(policy.output.labels, report.get("labels")),
            _of_value("output.field", policy.output.field, report.get("field")),
            _of_reject(policy.output, report),
        ]
    return [warning for warning in found if warning is not None]


def _of_prompt(prompt: str | None, instruction: object) -> str | None:
    if not isinstance(instruction, str) or (prompt or "") == instruction:
        return None
    said = f"{REPORT} says that the adapter was trained with {_short(instruction) if instruction else 'none'}"
    if prompt is None:
        return f"there is no system_prompt, and {said}; set it, or let every client send it"
    if prompt.split() == instruction.split():
        return f"system_prompt and that in training ({REPORT}) differ in blanks or line breaks; write it to the letter"
    return f"system_prompt is {_short(prompt)}, and {said}; write it to the letter"


def _of_labels(labels: Collection[str], trained: object) -> str | None:
    if not isinstance(trained, list) or not trained or not all(isinstance(label, str) for label in trained):
        return None
    parts = [
        f"{what} {', '.join(map(_short, sorted(found)[:_NAMED]))}"
        for what, found in (("lacks", set(trained) - set(labels)), ("adds", set(labels) - set(trained)))
        if found
    ]
    if not parts:
        return None
    return f"output.labels {' and '.join(parts)}, compared with those in training ({REPORT}); use the same"


def _of_value(where: str, value: str, trained: object) -> str | None:
    if not isinstance(trained, str) or trained == value:
        return None
    return f"{where} is {_short(value)}, and the adapter was trained with {_short(trained)} ({REPORT}); use the same"


def _of_reject(output: Output, report: Mapping[str, Any]) -> str | None:
    """An adapter that learned to reject cannot where decoding does not let it."""
    options = report.get("options")
    trained = report.get("reject") or (options.get("reject") if isinstance(options, Mapping) else None)
    if output.reject is not None or not isinstance(trained, str):
        return _of_value("output.reject", output.reject or "", trained)
    return f"there is no output.reject, and the adapter was trained to answer {_short(trained)} ({REPORT}); set it"


def _short(text: str) -> str:
    """A text in quotes on one line, of some words."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
