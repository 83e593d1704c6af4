"""The first steps of a round, which make the rows: export, merge, split, check."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from postil.gateway.cli.api_client import call, connected
from postil.gateway.cli.rounds.asked import one
from postil.gateway.cli.rounds.work import StepPlan, Work, digests
from postil.registry.training.data.check import check
from postil.registry.training.data.reading import read_rows
from postil.registry.training.data.report import DataReport
from postil.registry.training.data.split import split
from postil.registry.training.data.writing import json_lines
from postil.registry.training.errors import RoundError
from postil.registry.training.rounds.merging import export_kind, merge
from postil.registry.training.rounds.record import Made, digest_of, digest_of_values, short

# Of every hundred rows those that choose the best state, where no file of them is named.
_VALIDATION = 10.0


def row_steps(work: Work) -> list[StepPlan]:
    """Return the steps up to checked files of rows."""
    asked, files = work.asked, work.asked.files
    return [
        StepPlan("export", "what people decided", partial(_export_inputs, work), partial(_export, work)),
        StepPlan(
            "merge",
            "with the rows of before, apart from held-out ones",
            lambda: {
                "export": work.digest("export"),
                "data": digests(asked.files.data),
                "apart": digests(asked.files.apart),
            },
            partial(_merge, work),
        ),
        StepPlan(
            "split",
            "rows to learn from, to choose with and to measure with",
            lambda: {"merge": work.digest("merge"), "apart": digests(files.apart), "seed": str(asked.seed)},
            partial(_split, work),
        ),
        StepPlan("check", "the data", lambda: {"split": work.digest("split")}, partial(_check, work)),
    ]


def _export_inputs(work: Work) -> Mapping[str, str]:
    """The decisions themselves are no input: a round that was killed goes on with those that it began with."""
    found = one(work.asked.files.reviews)
    given = {"adapter": str(work.asked.adapter), "since": work.asked.since or ""}
    return given if found is None else {**given, "reviews": digest_of(found)}


def _export(work: Work) -> Made:
    rows = _decided(work)
    if not rows:
        since = f" since {work.asked.since}" if work.asked.since else ""
        raise RoundError(
            f"there is nothing to learn: nobody has decided a review of {work.asked.adapter}{since}; see"
            " `postil reviews list`"
        )
    decisions = Counter(str(row.get("decision", "unknown")) for row in rows)
    return Made(
        work.write("export", json_lines(rows), ".jsonl"),
        {"rows": len(rows), "decisions": dict(sorted(decisions.items())), **_ids(rows)},
    )


def _decided(work: Work) -> Sequence[Mapping[str, Any]]:
    found = one(work.asked.files.reviews)
    if found is not None:
        return [row.raw for row in read_rows(found).rows]
    params = {"kind": export_kind(work.asked.files.data)}
    params |= {"since": work.asked.since} if work.asked.since else {}
    with connected() as client:
        rows: Sequence[Mapping[str, Any]] = call(
            client, "GET", f"/api/v1/adapters/{work.asked.adapter}/examples", params=params
        )["data"]
    return rows


def _ids(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The reviews' ids as a count and a digest, where all rows have one: older exports have none."""
    ids = [row.get("review") for row in rows]
    if not all(isinstance(each, str) for each in ids):
        return {}
    return {"reviews": len(ids), "reviews_digest": digest_of_values(sorted(ids, key=str))}


def _merge(work: Work) -> Made:
    export_kind(work.asked.files.data)
    merged = merge(work.folder.file("export"), work.asked.files.data, work.asked.files.apart)
    return Made(work.write("merge", json_lines(merged.rows), ".jsonl"), merged.counts)


def _split(work: Work) -> Made:
    """Make a folder of all files of rows, so that a round holds what it was made of."""
    files, seed, merged = work.asked.files, work.asked.seed, work.folder.file("merge")
    named = {"held-out": files.held_out, "validation": files.validation, "calibration": files.calibration}
    place = work.path / f"split-{short(digest_of_values([digest_of(merged), digests(files.apart), seed]))}"
    with tempfile.TemporaryDirectory(dir=work.path, prefix="split.") as scratch:
        if files.validation:
            shutil.copyfile(merged, Path(scratch, "train.jsonl"))
        else:
            split(merged, Path(scratch), shares=(100 - _VALIDATION, _VALIDATION, 0, 0), seed=seed)
        for name, paths in named.items():
            for path in paths:
                shutil.copyfile(path, Path(scratch, f"{name}{path.suffix}"))
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(scratch, place)
    counts = {path.stem: len(read_rows(path).rows) for path in sorted(place.iterdir()) if path.name != "split.json"}
    return Made(place, counts)


def _check(work: Work) -> Made:
    train, *others = work.parts("train", "validation", "calibration", "held-out")
    report = check(train, others, base=work.base.path, window=work.window)
    made = work.write("check", report.model_dump_json(indent=2, exclude_none=True), ".json")
    if report.errors:
        raise RoundError(errors_sentence(report, made))
    return Made(made, {"errors": report.errors, "warnings": report.warnings})


def errors_sentence(report: DataReport, made: Path) -> str:
    """Say what the first error is, how many there are, and where all of them stand."""
    first = next(finding for finding in report.findings if finding.level == "error")
    more = f" and {report.errors - 1} more" if report.errors > 1 else ""
    remedy = f"; {first.remedy}" if first.remedy else ""
    return f"the data has errors: {first.text}{more}{remedy} (all of them are in {made})"
