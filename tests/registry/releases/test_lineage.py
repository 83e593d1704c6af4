"""The way to a release, read from its report: what has not the form of its part is unknown and harms nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from postil.registry.releases.lineage import PARTS, Lineage, lineage_in

DIGEST = f"sha256:{'a' * 64}"
OTHER = f"sha256:{'b' * 64}"
FILE = {"file": "train.jsonl", "digest": DIGEST, "examples": 12}
METRICS = {"examples": 10, "right": 9, "accuracy": 0.9, "interval": [0.6, 0.98]}
ORIGIN: dict[str, Any] = {
    "parent": {"release": "healthcare/triage@1", "artifact": DIGEST},
    "reviews": {"count": 4, "digest": DIGEST, "added": 3},
    "files": [{"role": "train", "file": "train.jsonl", "digest": DIGEST, "rows": 12}],
    "check": {"errors": 0, "warnings": 2},
    "comparison": {
        "rows": 10,
        "only_before": 1,
        "only_after": 3,
        "p": 0.6,
        "difference": 0.2,
        "interval": [-0.1, 0.5],
    },
    "steps": {"export": DIGEST},
}
REPORT: dict[str, Any] = {
    "lineage": ORIGIN,
    "options": {"rank": 8, "targets": ["q_proj"], "reject": None, "half": True, "epochs": 2.0},
    "libraries": {"torch": "2.9"},
    "data": FILE,
    "validation": {**FILE, "file": "held-out.jsonl", "digest": OTHER},
    "adapter_metrics": METRICS,
    "base_metrics": {"right": 3},
}


def shown(found: Lineage) -> None:
    """Write it as the API does."""
    text = json.dumps(found.model_dump(mode="json"), allow_nan=False, ensure_ascii=False)
    assert text.encode()


def test_a_round_is_known_in_all_its_parts() -> None:
    found = lineage_in(REPORT)
    assert found.unknown == ()
    assert found.parent is not None
    assert found.parent.release == "healthcare/triage@1"
    assert found.model_dump(mode="json", exclude={"method", "evaluation", "job"}, exclude_none=True) == ORIGIN
    assert found.method is not None
    assert found.method.options["targets"] == ("q_proj",)
    assert found.evaluation is not None
    assert (found.evaluation.file, found.evaluation.right, found.evaluation.base_right) == ("held-out.jsonl", 9, 3)


def test_of_a_release_from_before_the_report_names_its_files_and_the_rest_is_unknown() -> None:
    found = lineage_in({name: value for name, value in REPORT.items() if name != "lineage"} | {"selection": FILE})
    assert [(file.role, file.rows) for file in found.files] == [("train", 12), ("held-out", 12)]
    assert found.unknown == ("parent", "reviews", "comparison")
    assert lineage_in({}).unknown == PARTS


def test_a_round_without_a_live_release_has_no_parent_and_that_is_known() -> None:
    found = lineage_in({**REPORT, "lineage": {**ORIGIN, "parent": None, "comparison": None}})
    assert (found.parent, found.unknown) == (None, ())


def test_the_job_that_made_a_release_is_named() -> None:
    job = {"id": "ftjob-1", "seed": 3, "training_file": {"id": "file-1", "digest": DIGEST, "filename": "a.jsonl"}}
    found = lineage_in({**REPORT, "job": {**job, "validation_file": None}})
    assert found.job is not None
    assert found.job.training_file is not None
    assert (found.job.id, found.job.training_file.id, found.job.validation_file) == ("ftjob-1", "file-1", None)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("lineage", "x" * 10_000),
        ("lineage", {"files": [ORIGIN["files"][0]] * 65}),
        ("lineage", {"parent": {"release": "x" * 257, "artifact": "a"}}),
        ("lineage", {"comparison": {**ORIGIN["comparison"], "p": float("nan")}}),
        ("options", {"rank": {"deep": []}}),
        ("options", [1]),
        ("validation", {"file": 3}),
        ("adapter_metrics", {"examples": -1}),
        ("data", "train.jsonl"),
        ("job", {"id": 3}),
        ("job", {"id": "\ud800"}),
        ("options", {"\udc00": "\ud800"}),
        ("options", {"rank": 10**400}),
    ],
)
def test_a_part_of_another_form_is_unknown(part: str, value: object) -> None:
    shown(lineage_in({**REPORT, part: value}))


@pytest.mark.parametrize("value", [None, True, 1e400, -3, "text", [], [[]], {}, {"a": {"b": [None]}}, [1e400]])
def test_whatever_stands_in_a_report_it_can_be_shown(value: object) -> None:
    for part in REPORT:
        shown(lineage_in({**REPORT, part: value}))
    shown(lineage_in(dict.fromkeys([*REPORT, "job"], value)))
