"""The bill of materials names what is pinned, and nothing else."""

from __future__ import annotations

import json

from deploy.release.sbom import sbom
from tests.support.paths import ROOT

CORE = ROOT / "deploy" / "requirements" / "core.txt"


def test_every_pin_is_a_component_with_its_version_and_address() -> None:
    made = json.loads(sbom("1.2.3", [CORE]))
    pins = [line for line in CORE.read_text(encoding="utf-8").splitlines() if "==" in line]
    assert sorted(f"{one['name']}=={one['version']}" for one in made["components"]) == sorted(pins)
    assert all(one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}" for one in made["components"])


def test_it_is_of_postil_in_that_version_which_depends_on_all_of_them() -> None:
    made = json.loads(sbom("1.2.3", [CORE]))
    own = made["metadata"]["component"]
    assert (own["name"], own["version"], made["bomFormat"]) == ("postil", "1.2.3", "CycloneDX")
    (needs,) = [one["dependsOn"] for one in made["dependencies"] if one["ref"] == own["bom-ref"]]
    assert sorted(needs) == sorted(one["bom-ref"] for one in made["components"])
