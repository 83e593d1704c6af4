"""The model card of an exported release: contents, policy, quality, and how to serve it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ValidationError

from postil.registry.artifacts.contents import POLICY
from postil.registry.db.tables import Release
from postil.registry.defaults import REPORT
from postil.registry.policy.policy import Output, Policy, policy_from
from postil.registry.training.report import LabelMetrics, LinearBaseline, Metrics

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


class _Report(BaseModel):
    """The parts of ``training.json`` that a card shows."""

    adapter_metrics: Metrics
    base_metrics: Metrics
    linear: LinearBaseline | None = None


def model_card(release: Release, artifact: Path) -> str:
    """Return the card in Markdown with the metadata that a hub reads. Equal releases have equal cards.

    It omits the publisher and the note, because a card may be public.
    """
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        base_model=release.base_id if _HUB_ID.fullmatch(release.base_id) else None,
        library_name="peft",
        tags=["lora", "postil", release.domain],
    )
    return f"---\n{data.to_yaml()}\n---\n\n" + "\n".join(_body(release, artifact))


def _body(release: Release, artifact: Path) -> Iterator[str]:
    name = f"{release.domain}/{release.adapter}"
    yield f"# {name}@{release.number}\n"
    yield f"Release {release.number} of `{name}`, a LoRA adapter of the domain {release.domain}.\n"
    yield f"- base model: `{release.base_id}`, revision `{release.base_revision}`"
    yield f"- artifact: `{release.artifact}`"
    yield f"- policy: `{release.policy_digest}`"
    if release.source:
        yield f"- published from: `{release.source}`"
    yield f"- published: {release.created_at:%Y-%m-%d}\n"
    yield "## How it answers\n"
    yield from _behaviour(policy_from(release.policy))
    yield from _figures(artifact / REPORT)
    yield "## Serve it\n"
    yield "PATH is this folder, or the place of this repository, as in `hf://org/name`:\n"
    yield f"    postil publish PATH --adapter {name}"
    yield f"    postil promote {name}@NUMBER\n"
    yield f"That takes the weights and the policy in `{POLICY}`. Whatever else serves PEFT adapters serves the weights"
    yield "alone: then nothing of the above is in force but what they were trained to say.\n"


def _behaviour(policy: Policy) -> Iterator[str]:
    if policy == Policy():
        yield "As the weights make it: its policy is empty.\n"
        return
    yield f"All of it is in `{POLICY}`; in short:\n"
    if policy.system_prompt is not None:
        yield f"The system prompt is\n\n{_block(policy.system_prompt)}\n"
    if policy.output is not None:
        yield _output(policy.output)
    for values, what in ((policy.sampling, "in force whatever is asked"), (policy.defaults, "where nothing is asked")):
        if values:
            yield f"- sampling {what}: {_code(values)}"
    if policy.validators:
        yield f"- an answer is served if these pass it: {', '.join(_code(use.name) for use in policy.validators)}"
    if policy.fallback:
        yield f"- what is served in its place: {', '.join(_code(use.name) for use in policy.fallback)}"
    yield ""


def _output(output: Output) -> str:
    if output.labels is None:
        return "- the answer is JSON after the policy's schema"
    rejects = "" if output.reject is None else f", or {_code(output.reject)} where none fits"
    return f"- the answer is {_code({output.field: '...'})} with one of {_code(list(output.labels))}{rejects}"


def _figures(path: Path) -> Iterator[str]:
    """Return the figures; empty if there is no report of `postil train`."""
    try:
        report = _Report.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return
    adapter, base = report.adapter_metrics, report.base_metrics
    yield "## How good it is\n"
    yield f"Of {adapter.examples} validation examples, {adapter.right} are answered right:\n"
    yield f"| | examples | right | the base alone |\n| --- | --: | --: | --: |\n{_row('all', adapter, base.accuracy)}"
    for label, found in sorted(adapter.labels.items()):
        alone = base.labels.get(label)
        yield _row(_code(label), found, None if alone is None else alone.accuracy)
    yield ""
    if report.linear is not None:
        yield f"A linear model that was trained on the same rows answers {report.linear.metrics.accuracy:.1%} right.\n"


def _row(name: str, found: Metrics | LabelMetrics, alone: float | None) -> str:
    shown = name.replace("|", "\\|")
    span = "" if found.interval is None else f" ({found.interval[0]:.1%} to {found.interval[1]:.1%})"
    return f"| {shown} | {found.examples} | {found.accuracy:.1%}{span} | {'' if alone is None else f'{alone:.1%}'} |"


def _code(value: object) -> str:
    """Return a value as JSON in a code span that no backtick in it can end."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def _block(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines() or [""])
