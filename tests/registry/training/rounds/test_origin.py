"""What a release keeps of its round: in its report, the same for the same round."""

from __future__ import annotations

import json
from pathlib import Path

from postil.registry.defaults import REPORT
from postil.registry.training.rounds.origin import LINEAGE, ParentRelease, RoundOrigin, write_with_origin
from tests.fakes.adapters import write_adapter


def test_the_report_gets_the_figures_and_the_lineage_and_the_weights_stay(tmp_path: Path) -> None:
    made = write_adapter(tmp_path / "made")
    (made / REPORT).write_text(json.dumps({"parameters": 8, "accuracy": 0.5}), encoding="utf-8")
    (made / "notes.txt").write_text("not of the adapter")
    origin = RoundOrigin(parent=ParentRelease(release="healthcare/triage@1", artifact="sha256:aa"), steps={})
    for _ in range(2):
        write_with_origin(made, tmp_path / "out", origin, {"accuracy": 0.75})
    out = tmp_path / "out"
    report = json.loads((out / REPORT).read_text(encoding="utf-8"))
    assert report == {"parameters": 8, "accuracy": 0.75, LINEAGE: origin.model_dump(mode="json", exclude_none=True)}
    assert sorted(path.name for path in out.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "training.json",
    ]
    weights = "adapter_model.safetensors"
    assert (out / weights).read_bytes() == (made / weights).read_bytes()
