"""The last steps of a round: publish with the lineage, and perhaps a canary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from postil.gateway.cli.api_client import call, connected
from postil.gateway.cli.commands.publish import policy_field, send_release
from postil.gateway.cli.rounds.asked import one
from postil.gateway.cli.rounds.learning import comparison, learning_steps
from postil.gateway.cli.rounds.rows import row_steps
from postil.gateway.cli.rounds.work import StepPlan, Work, digests
from postil.registry.training.data.reading import read_rows
from postil.registry.training.rounds.origin import (
    CheckCounts,
    Compared,
    Decisions,
    ParentRelease,
    RoundOrigin,
    RowsFile,
    write_with_origin,
)
from postil.registry.training.rounds.record import Made, digest_of_values, short

_FILES = (("export", "decisions"), ("merge", "merged"))
_PARTS = ("train", "validation", "calibration", "held-out")


def publishing_steps(work: Work) -> list[StepPlan]:
    """Return the steps that put the adapter among the releases."""
    steps = [StepPlan("publish", "as a release that is not live", partial(_inputs, work), partial(_publish, work))]
    if work.asked.canary is None:
        return steps
    what = f"to {work.asked.canary:g} % of the requests"
    inputs: Any = lambda: {"publish": work.digest("publish"), "weight": f"{work.asked.canary:g}"}  # noqa: E731
    return [*steps, StepPlan("canary", what, inputs, partial(_canary, work))]


def origin(work: Work) -> RoundOrigin:
    """Return what the release is to know of this round."""
    found, live = comparison(work), work.live
    return RoundOrigin(
        parent=None if live is None else ParentRelease(release=live.release, artifact=live.artifact),
        reviews=_decisions(work),
        files=tuple(_files(work)),
        check=CheckCounts.model_validate(work.folder.step("check").details),
        comparison=None if found is None else Compared.model_validate(found.overall.model_dump()),
        steps=_made(work),
    )


def _decisions(work: Work) -> Decisions | None:
    exported, merged = work.folder.step("export").details, work.folder.step("merge").details
    if "reviews_digest" not in exported:
        return None
    count, digest = exported["reviews"], exported["reviews_digest"]
    return Decisions(count=count, digest=digest, added=merged["added"], since=work.asked.since)


def _files(work: Work) -> list[RowsFile]:
    named = [("before", path) for path in work.asked.files.data]
    named += [(role, work.folder.file(step)) for step, role in _FILES]
    named += [(part, path) for part in _PARTS for path in work.parts(part)]
    return [
        RowsFile(role=role, file=path.name[-256:], digest=file.digest, rows=len(file.rows))
        for role, path in named
        for file in [read_rows(path)]
    ]


def _inputs(work: Work) -> Mapping[str, str]:
    return {**_made(work), "policy": digests(work.asked.files.policy) or "in force"}


def _made(work: Work) -> dict[str, str]:
    """The digests of what the steps before made."""
    return {step.name: work.digest(step.name) for step in (*row_steps(work), *learning_steps(work))}


def _publish(work: Work) -> Made:
    out = work.path / f"release-{short(digest_of_values(dict(_inputs(work))))}"
    figures = json.loads(work.folder.file("evaluate").read_text(encoding="utf-8"))
    write_with_origin(work.folder.file("train"), out, origin(work), figures)
    fields = {"note": work.asked.note or _note(work)} | policy_field(one(work.asked.files.policy))
    with connected() as client:
        route = f"/api/v1/adapters/{work.asked.adapter}/releases"
        made = send_release(client, route, str(out), fields, None, quiet=True)
    shown = ("release", "number", "artifact", "created", "warnings")
    return Made(out, {name: made[name] for name in shown})


def _note(work: Work) -> str:
    merged = work.folder.step("merge").details
    return f"postil improve: {merged['added']} decided reviews, {merged['rows']} rows"


def _canary(work: Work) -> Made:
    number = work.folder.step("publish").details["number"]
    body = {"release": number, "weight": work.asked.canary, "reason": work.asked.note or "postil improve"}
    with connected() as client:
        state = call(client, "PUT", f"/api/v1/adapters/{work.asked.adapter}/channels/canary", json=body)
    return Made(work.write("canary", json.dumps(state["canary"]) + "\n", ".json"), {"weight": work.asked.canary})
