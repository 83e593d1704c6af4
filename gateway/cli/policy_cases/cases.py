"""The file of cases: what is asked, what the model answers, and what has to come of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from postil.gateway.cli.yaml_files import Strict

ANSWER, FALLBACK, REFUSED = "answer", "fallback", "refused"


class Expected(Strict):
    """What has to come of a case; what is left out is not looked at."""

    outcome: Literal["answer", "fallback", "refused"] | None = None
    label: str | None = None
    content: str | None = None
    contains: str | None = None
    fallback: str | None = None
    validators: dict[str, Literal["passed", "failed", "did-not-run"]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _says_something(self) -> Expected:
        if not self.model_fields_set:
            raise ValueError("it says nothing; name an outcome, a label, a content, a fallback or validators")
        return self


class Case(Strict):
    """One request and, for a run without a model, the model's answer with the probability of all of it.

    ``retries`` are the answers to the requests that fallback rules make.
    """

    name: str = ""
    text: str | None = None
    messages: list[dict[str, Any]] | None = None
    answer: str | None = None
    label: str | None = None
    probability: Annotated[float, Field(gt=0, le=1, strict=False)] = 1.0
    finish_reason: str = "stop"
    retries: list[str] = Field(default_factory=list)
    expect: Expected

    @model_validator(mode="after")
    def _one_of_each(self) -> Case:
        if (self.text is None) == (self.messages is None):
            raise ValueError("a case takes text or messages, one of the two")
        if self.answer is not None and self.label is not None:
            raise ValueError("a case takes answer or label, one of the two")
        return self

    @property
    def body(self) -> dict[str, Any]:
        """The body of its request."""
        return {"messages": self.messages or [{"role": "user", "content": self.text}]}

    def answered(self, field: str) -> str | None:
        """Return the model's answer, whose label stands under ``field``; None where the case says none."""
        return self.answer if self.label is None else json.dumps({field: self.label})


class CasesFile(Strict):
    """A policy, by its path from this file's folder, and its cases."""

    policy: str = "policy.yaml"
    cases: Annotated[list[Case], Field(min_length=1)]


class Seen(Strict):
    """What came of a case. ``validators`` are verdicts by name; against a release only those that failed are known."""

    outcome: str
    content: str = ""
    reason: str = ""
    fallbacks: list[str] = Field(default_factory=list)
    validators: dict[str, str] = Field(default_factory=dict)
    complete: bool = True


def problems(expected: Expected, seen: Seen, field: str) -> list[str]:
    """Return what is not as expected, each in words."""
    found = [
        _differs(
            "outcome", expected.outcome, seen.outcome + (f" ({seen.reason})" if seen.reason else ""), seen.outcome
        ),
        _differs("label", expected.label, str(label_of(seen.content, field)), label_of(seen.content, field)),
        _differs("content", expected.content, seen.content, seen.content),
        _differs("fallback", expected.fallback, ", ".join(seen.fallbacks) or "none", *seen.fallbacks),
    ]
    if expected.contains is not None and expected.contains not in seen.content:
        found.append(f"the content lacks {expected.contains!r}: {seen.content!r}")
    found += [_verdict(name, wanted, seen) for name, wanted in expected.validators.items()]
    return [each for each in found if each]


def label_of(content: str, field: str) -> str | None:
    """Return the label of an answer; None if it has none."""
    try:
        value = json.loads(content)
    except ValueError:
        return None
    return value.get(field) if isinstance(value, Mapping) else None


def _differs(what: str, wanted: str | None, said: str, *values: str | None) -> str:
    return "" if wanted is None or wanted in values else f"{what}: wanted {wanted}, got {said}"


def _verdict(name: str, wanted: str, seen: Seen) -> str:
    got = seen.validators.get(name)
    if seen.complete:
        return "" if got == wanted else f"{name}: wanted {wanted}, got {got or 'no verdict'}"
    failed = wanted != "passed"
    return "" if failed == (got is not None) else f"{name}: wanted {wanted}, got {got or 'no failure of it'}"
