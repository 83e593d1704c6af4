from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.plugins import Completion, ConfigError, ReleaseRef, RequestContext
from postil.plugins.builtin.labels import Labels

LABELS = ["symptoms", "billing", "größe"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def labels() -> Labels:
    made: Labels = Labels.from_mapping({"labels": LABELS})
    return made


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("plain", [True, False])
def test_a_label_of_the_set_passes(labels: Labels, context: RequestContext, label: str, plain: bool) -> None:
    text = json.dumps({"category": label}, ensure_ascii=plain)
    assert labels.judge(context, Completion(text)).ok


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the answer is not JSON"),
        ("symptoms", "the answer is not JSON"),
        ('{"category": "symp', "the answer is not JSON"),
        ('{"category": "symptoms"} and more', "the answer is not JSON"),
        ("[]", "the answer is not an object with the one key 'category'"),
        ('"symptoms"', "the answer is not an object with the one key 'category'"),
        ("{}", "the answer is not an object with the one key 'category'"),
        ('{"label": "symptoms"}', "the answer is not an object with the one key 'category'"),
        ('{"category": "symptoms", "why": "x"}', "the answer is not an object with the one key 'category'"),
        (
            '{"category": "cure", "category": "billing"}',
            "the answer is not an object with the one key 'category'",
        ),
        ('{"category": "cure"}', "the label is not one of the set"),
        ('{"category": "Symptoms"}', "the label is not one of the set"),
        ('{"category": null}', "the label is not one of the set"),
        ('{"category": ["symptoms"]}', "the label is not one of the set"),
    ],
)
def test_anything_else_fails_with_its_reason(labels: Labels, context: RequestContext, text: str, reason: str) -> None:
    verdict = labels.judge(context, Completion(text))
    assert not verdict.ok
    assert verdict.reason == reason


def test_another_field_can_be_named(context: RequestContext) -> None:
    validator = Labels.from_mapping({"labels": ["card"], "field": "intent"})
    assert validator.judge(context, Completion('{"intent": "card"}')).ok
    assert not validator.judge(context, Completion('{"category": "card"}')).ok


@given(ANYTHING)
@settings(deadline=None, max_examples=100)
def test_what_passes_is_always_a_label_of_the_set(answer: object) -> None:
    context = RequestContext(ReleaseRef("a", "b", 1), "t", {})
    validator = Labels.from_mapping({"labels": LABELS})
    verdict = validator.judge(context, Completion(json.dumps(answer)))
    assert verdict.ok == (answer in [{"category": label} for label in LABELS])


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({}, "labels: labels: field required"),
        ({"labels": []}, "labels: labels: tuple should have at least 1 item after validation, not 0"),
        ({"labels": "symptoms"}, "labels: labels: input should be a valid tuple"),
        ({"labels": [1]}, "labels: labels.0: input should be a valid string"),
        ({"labels": ["a"], "fields": "x"}, "labels: there is no option fields; did you mean field?"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Labels.from_mapping(config)
    assert str(caught.value) == sentence


def test_the_value_that_rejects_every_label_is_left_to_others_to_judge(context: RequestContext) -> None:
    validator = Labels.from_mapping({"labels": LABELS, "reject": "needs_review"})
    assert validator.judge(context, Completion('{"category": "needs_review"}')).ok
    assert not validator.judge(context, Completion('{"category": "other"}')).ok
