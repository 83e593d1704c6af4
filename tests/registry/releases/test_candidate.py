"""A release as gates see it: with what its training reported, if that can be read."""

from __future__ import annotations

from typing import Any

import pytest

from postil.plugins import Candidate
from postil.registry.errors import NotFoundError
from postil.registry.names import AdapterName
from postil.registry.policy.policy import policy_from
from postil.registry.releases.service import Registry
from tests.fakes.adapters import write_adapter
from tests.registry.conftest import Publish

TRIAGE = AdapterName("healthcare", "triage")
PROMPT = policy_from({"system_prompt": "Sort."})


@pytest.mark.parametrize(
    ("written", "report"),
    [
        ('{"adapter_metrics": {"accuracy": 0.9}}', {"adapter_metrics": {"accuracy": 0.9}}),
        (None, {}),
        ("no JSON", {}),
        ("[0.9]", {}),
    ],
)
def test_it_holds_what_its_training_reported(registry: Registry, written: str | None, report: dict[str, Any]) -> None:
    with registry.artifacts.incoming() as folder:
        adapter = write_adapter(folder / "adapter")
        if written is not None:
            (adapter / "training.json").write_text(written)
        registry.publish(adapter, TRIAGE, PROMPT, note="first", actor="ann")
    ref = TRIAGE.release(1)
    assert registry.candidate(ref) == Candidate(ref, {"system_prompt": "Sort."}, report, "first")


def test_a_release_that_there_is_not_is_no_candidate(registry: Registry, publish: Publish) -> None:
    publish()
    with pytest.raises(NotFoundError):
        registry.candidate(TRIAGE.release(2))
