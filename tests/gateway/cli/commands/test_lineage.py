"""``postil lineage``: the way to a release and through those before it, and what is not known of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.fakes.adapters import write_adapter
from tests.gateway.cli.in_process import in_process
from tests.gateway.conftest import TRIAGE, House
from tests.registry.releases.test_lineage import DIGEST, ORIGIN, OTHER, REPORT

NAME = "healthcare/triage"


async def published(house: House, folder: Path, seed: int, report: dict[str, Any] | None, name: str = NAME) -> None:
    """Publish an adapter with a report beside its weights."""
    source = write_adapter(folder / f"{name.partition('/')[0]}{seed}", seed=seed)
    if report is not None:
        (source / "training.json").write_text(json.dumps(report), encoding="utf-8")
    answer = await house.upload(name, source, TRIAGE)
    assert answer.status_code == 201, answer.text


def report_of(parent: str | None) -> dict[str, Any]:
    """A report of a round whose live release was ``parent``."""
    named = None if parent is None else {"release": parent, "artifact": DIGEST}
    return {**REPORT, "lineage": {**ORIGIN, "parent": named}}


async def test_the_way_is_shown_through_the_releases_before(house: House, tmp_path: Path) -> None:
    await published(house, tmp_path, 1, None)
    await published(house, tmp_path, 2, report_of(f"{NAME}@1"))
    status, out, complaints = await in_process(house, "lineage", f"{NAME}@2")
    assert (status, complaints) == (0, "")
    lines = [line.strip("│├└─ ") for line in out.splitlines()]
    assert lines[0] == f"{NAME}@2"
    assert "4 decided reviews, 3 of them new (aaaaaaaaaaaa)" in lines
    assert "train: train.jsonl, 12 rows (aaaaaaaaaaaa)" in lines
    assert "data check: 0 errors, 2 warnings" in lines
    assert "trained by rank 8, epochs 2.0" in lines
    assert (
        "9 of 10 rows of held-out.jsonl right (60.0-98.0 %), the base 3; 1 adapter was measured with these rows"
        in lines
    )
    assert f"beside {NAME}@1: only this one right on 3 rows, only that one on 1, McNemar p = 0.6" in lines
    before = lines[lines.index(f"{NAME}@1") :]
    assert before[-6:] == [
        "which release it was made to replace",
        "whether decided reviews are in it",
        "the files of its rows",
        "how it was trained",
        "its figures on held-out rows",
        "how it compares with the release before",
    ]
    _, out, _ = await in_process(house, "lineage", f"{NAME}@2", "--parents", "0", "--json")
    (only,) = json.loads(out)["data"]
    assert (only["parent"]["release"], only["unknown"]) == (f"{NAME}@1", [])


async def test_a_chain_ends_where_it_comes_back_or_leads_nowhere(house: House, tmp_path: Path) -> None:
    for seed, parent in enumerate([f"{NAME}@2", f"{NAME}@1", "nowhere", f"{NAME}@9", None], 1):
        await published(house, tmp_path, seed, report_of(parent))
    shown = []
    for number in (1, 3, 4, 5):
        _, out, _ = await in_process(house, "lineage", f"{NAME}@{number}", "--json")
        shown.append([one["release"] for one in json.loads(out)["data"]])
    assert shown == [[f"{NAME}@1", f"{NAME}@2"], [f"{NAME}@3"], [f"{NAME}@4", f"{NAME}@9"], [f"{NAME}@5"]]
    _, out, _ = await in_process(house, "lineage", f"{NAME}@4")
    assert f"{NAME}@9\n└── " in out, "why it cannot be shown"
    _, out, _ = await in_process(house, "lineage", f"{NAME}@5")
    assert "beside a release that is not named: only this one right" in out


async def test_a_release_of_a_job_names_the_job_and_its_files(house: House, tmp_path: Path) -> None:
    job = {"id": "ftjob-1", "training_file": {"id": "file-1"}, "validation_file": None}
    report = {name: value for name, value in REPORT.items() if name != "lineage"}
    await published(house, tmp_path, 1, {**report, "job": job, "options": {"half": True}})
    _, out, _ = await in_process(house, "lineage", f"{NAME}@1")
    assert "fine-tuning job ftjob-1" in out
    assert "trained with options that are not shown here" in out


async def test_another_domains_lineage_is_behind_its_wall(house: House, tmp_path: Path) -> None:
    await published(house, tmp_path, 1, report_of("legal/notes@1"))
    await published(house, tmp_path, 1, report_of(None), "legal/notes")
    made = await house.admin(
        "POST", "/api/v1/keys", json={"owner": "ann", "role": "publisher", "domains": ["healthcare"]}
    )
    as_ann = {"POSTIL_URL": house.url, "POSTIL_KEY": made.json()["key"]}
    status, out, _ = await in_process(None, "lineage", f"{NAME}@1", "--json", **as_ann)
    own, other = json.loads(out)["data"]
    assert (status, own["release"], other["release"]) == (0, f"{NAME}@1", "legal/notes@1")
    assert other.keys() == {"release", "problem"}
    assert (await in_process(None, "lineage", "legal/notes@1", **as_ann))[0] == 1


async def test_the_use_of_held_out_rows_is_counted_and_shown(house: House, tmp_path: Path) -> None:
    await published(house, tmp_path, 1, report_of(None))
    route = f"/api/v1/adapters/{NAME}/held-out-uses"
    found = [
        (await house.admin("POST", route, json={"digest": OTHER, "measured": f"sha256:{number:064}"})).json()
        for number in range(10)
    ]
    assert found[-1] == {"digest": OTHER, "uses": 11, "limit": 10}
    _, out, _ = await in_process(house, "lineage", f"{NAME}@1")
    assert "the base 3; 11 adapters were measured with these rows; they are worn out, hold out new ones" in out
    refused = [
        await house.admin("POST", route, json={"digest": "sha256:0", "measured": OTHER}),
        await house.admin("POST", route.replace("triage", "none"), json={"digest": OTHER, "measured": OTHER}),
    ]
    assert [answer.status_code for answer in refused] == [400, 404]
