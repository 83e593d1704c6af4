"""What ``make resolve`` asks pip for is what setup installs."""

from __future__ import annotations

import subprocess

from deploy.requirements.resolve import pins, torch_index
from tests.support.paths import ROOT


def test_torch_is_asked_for_where_setup_takes_it_from() -> None:
    line = next(each for each in (ROOT / "deploy/setup.sh").read_text().splitlines() if each.startswith("TORCH_INDEX="))
    asked = subprocess.run(["bash", "-c", f"{line}; echo $TORCH_INDEX"], capture_output=True, text=True, check=True)
    assert torch_index() == asked.stdout.strip()


def test_what_only_one_kind_of_processor_has_is_not_asked_for_another() -> None:
    assert not [pin for pin in pins("aarch64") if pin.startswith(("torch==", "intel-"))]
    assert {pin.partition("-")[0] for pin in set(pins("x86_64")) - set(pins("aarch64"))} == {"intel"}
