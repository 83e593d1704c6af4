"""Held-out rows are counted by the adapters that were measured with them, each once, in each domain for itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from postil.registry.names import parse_adapter
from postil.registry.releases import held_out_uses
from postil.registry.releases.held_out_uses import note, uses, worn_out_warnings
from postil.registry.releases.lineage import lineage_in, lineage_of
from postil.registry.releases.service import Registry
from tests.fakes.adapters import write_adapter
from tests.registry.releases.test_lineage import DIGEST, ORIGIN, OTHER, REPORT

NOTES, TRIAGE = parse_adapter("legal/notes"), parse_adapter("healthcare/triage")


def publish(registry: Registry, report: dict[str, Any], seed: int) -> list[str]:
    """Publish an adapter with a report; returns the release's warnings of held-out rows."""
    with registry.artifacts.incoming() as folder:
        made = write_adapter(folder / "adapter", seed=seed)
        (made / "training.json").write_text(json.dumps(report))
        release, _ = registry.publish(made, NOTES, None, note="", actor="ann")
    return [warning for warning in release.warnings if "held-out" in warning]


def test_an_adapter_counts_once_and_each_domain_for_itself(registry: Registry) -> None:
    database = registry.database
    assert [note(database, NOTES, DIGEST, measured, actor="ann") for measured in (DIGEST, OTHER, OTHER)] == [1, 2, 2]
    assert note(database, TRIAGE, DIGEST, DIGEST, actor="ann") == 1
    assert (uses(database, "legal", DIGEST), uses(database, "legal", OTHER)) == (2, 0)


def test_a_publish_counts_the_file_of_its_figures_and_warns_where_it_is_worn_out(registry: Registry) -> None:
    report = {name: value for name, value in REPORT.items() if name != "lineage"}
    assert [publish(registry, report, seed) for seed in range(10)] == [[]] * 10
    assert uses(registry.database, "legal", OTHER) == 10
    assert publish(registry, report, 10) == [
        "10 adapters were measured with the held-out rows of 'held-out.jsonl' before: what is chosen by the same rows"
        " again and again fits them; hold out new ones"
    ]
    assert publish(registry, {}, 11) == []
    found = lineage_of(registry.release(NOTES.release(1)), registry.artifacts)
    assert found == lineage_in(report)
    assert uses(registry.database, "legal", OTHER) == 11


def test_what_a_round_measured_is_not_counted_again_when_it_is_published(registry: Registry) -> None:
    trained = f"sha256:{'c' * 64}"
    report = {**REPORT, "lineage": {**ORIGIN, "steps": {"train": trained}}}
    note(registry.database, NOTES, OTHER, trained, actor="ann")
    assert worn_out_warnings(registry.database, "legal", report, 1) == []
    publish(registry, report, 1)
    assert uses(registry.database, "legal", OTHER) == 1
    assert len(worn_out_warnings(registry.database, "legal", REPORT, 1)) == 1


def test_nobody_fills_the_database_with_uses(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out_uses, "_MOST", 2)
    digests = [f"sha256:{number:064}" for number in range(4)]
    assert [note(registry.database, NOTES, digest, DIGEST, actor="ann") for digest in digests] == [1, 1, 0, 0]
