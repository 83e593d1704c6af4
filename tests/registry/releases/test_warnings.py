"""What a publisher may not have meant is kept with the release, and what was let through stands in the log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from postil.registry.db.tables import Release
from postil.registry.errors import PolicyError, PreflightError
from postil.registry.names import parse_adapter
from postil.registry.policy.policy import Policy, policy_from
from postil.registry.releases import audit
from postil.registry.releases.service import Registry
from tests.fakes.adapters import write_adapter

NOTES = parse_adapter("legal/notes")
TRAINED = {"instruction": "Sort.", "labels": ["a", "b"], "field": "category", "reject": None}


def publish(
    registry: Registry, files: dict[str, str], policy: Policy | None = None, *, base_ok: bool = False, **config: Any
) -> tuple[Release, bool]:
    """Publish a good adapter with more files beside it."""
    with registry.artifacts.incoming() as folder:
        made = write_adapter(folder / "adapter", **config)
        for name, content in files.items():
            (made / name).write_text(content)
        return registry.publish(made, NOTES, policy, note="", actor="ann", base_ok=base_ok)


def test_labels_and_prompt_that_are_not_those_of_the_training_are_kept_as_warnings(registry: Registry) -> None:
    policy = policy_from({"system_prompt": "Sort it.", "output": {"labels": ["a", "c"]}})
    release, created = publish(registry, {"training.json": json.dumps(TRAINED)}, policy)
    assert created
    prompt, labels = registry.release(NOTES.release(1)).warnings
    assert prompt.startswith("system_prompt is 'Sort it.', and training.json says ")
    assert labels.startswith("output.labels lacks 'b' and adds 'c', ")
    assert release.warnings == [prompt, labels]
    assert audit.verify(registry.database).differences == []


def test_a_template_that_comes_with_the_adapter_is_warned_of_even_where_the_release_is_there(
    registry: Registry,
) -> None:
    (registry.base.path / "chat_template.jinja").write_text("{{ messages }}")
    assert publish(registry, {})[0].warnings == []
    release, created = publish(registry, {"chat_template.jinja": "{{ other }}"})
    assert not created
    (warning,) = release.warnings
    assert "another chat template than the base" in warning
    assert registry.release(NOTES.release(1)).warnings == [], "a release does not change"


def test_a_base_of_another_name_is_let_through_by_the_publishers_word_alone(registry: Registry) -> None:
    other: dict[str, Any] = {"base_model_name_or_path": "acme/tiny-base-mirror"}
    with pytest.raises(PreflightError, match="or publish it with --base-ok"):
        publish(registry, {}, **other)
    release, _ = publish(registry, {}, base_ok=True, **other)
    (event,) = registry.state(NOTES).events
    assert event.details["base_ok"] == "acme/tiny-base-mirror"
    assert release.warnings == [
        "the adapter was trained for acme/tiny-base-mirror, and its publisher says that it fits tiny/base"
    ]
    assert audit.verify(registry.database).differences == []


def test_what_needs_no_word_has_none_in_the_log(registry: Registry) -> None:
    publish(registry, {}, base_ok=True, base_model_name_or_path="tiny/base-bnb-4bit")
    (event,) = registry.state(NOTES).events
    assert "base_ok" not in event.details


def test_a_policy_whose_own_text_fails_its_validators_is_refused(registry: Registry, tmp_path: Path) -> None:
    use = {"name": "blocklist", "config": {"phrases": ["secret"]}, "on_fail": "redact", "replacement": "secret"}
    with pytest.raises(PolicyError, match=r"validators\.blocklist\.replacement does not pass"):
        publish(registry, {}, policy_from({"validators": [use]}))
