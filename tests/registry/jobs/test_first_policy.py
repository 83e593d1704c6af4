"""A new adapter answers as it was trained: the policy of its first release says what its report says."""

from __future__ import annotations

from postil.plugins.manager import PluginManager
from postil.registry.jobs.first_policy import first_policy
from postil.registry.policy.policy import build
from postil.registry.policy.publishable import check_publishable
from postil.registry.policy.training_match import training_warnings

REPORT = {
    "instruction": "Sort.",
    "labels": ["billing", "symptoms"],
    "field": "category",
    "reject": "other",
    "confidence": {"minimum": 0.4},
}


def test_it_matches_the_training_and_can_be_published(plugins: PluginManager) -> None:
    policy = first_policy(REPORT)
    assert training_warnings(policy, REPORT) == []
    check_publishable(policy, None)
    assert len(build(policy, plugins, {}).validators) == 2
    assert policy.validators[1].config == {"minimum": 0.4}


def test_a_training_without_a_prompt_or_a_reject_label_gets_none() -> None:
    policy = first_policy({**REPORT, "instruction": "", "reject": None})
    assert policy.system_prompt is None
    assert policy.output is not None
    assert policy.output.reject is None


def test_a_training_without_labels_gives_the_prompt_alone(plugins: PluginManager) -> None:
    policy = first_policy({"instruction": "Be kind.", "labels": [], "field": None})
    assert (policy.system_prompt, policy.output, policy.validators) == ("Be kind.", None, ())
    check_publishable(policy, None)
    assert first_policy({"instruction": None, "labels": []}).system_prompt is None
