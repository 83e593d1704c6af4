from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.plugins.manager import PluginManager
from postil.registry.errors import PolicyError
from postil.registry.policy.policy import NOT_SAMPLING, Policy, build, parse_policy, policy_from

FULL: dict[str, Any] = {
    "system_prompt": "Sort the message.",
    "sampling": {"max_tokens": 32, "seed": 1},
    "defaults": {"temperature": 0, "stop": ["\n"]},
    "output": {"labels": ["symptoms", "billing"]},
    "validators": [{"name": "labels"}, {"name": "confidence", "config": {"minimum": 0.5}}],
    "fallback": [{"name": "fixed_answer", "config": {"content": "{}"}, "when": ["labels"]}],
}
SILENT: dict[str, Any] = {
    "system_prompt": None,
    "sampling": {},
    "defaults": {},
    "output": None,
    "validators": [],
    "fallback": [],
}


def refusal(values: object) -> str:
    """The sentence with which a policy is refused."""
    with pytest.raises(PolicyError) as caught:
        policy_from(values)
    return str(caught.value)


def shuffled(value: Any, chance: Any) -> Any:
    """The same value, the keys of every mapping in another order; lists keep theirs."""
    if isinstance(value, dict):
        items = [(key, shuffled(inner, chance)) for key, inner in value.items()]
        chance.shuffle(items)
        return dict(items)
    return [shuffled(inner, chance) for inner in value] if isinstance(value, list) else value


@given(st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_the_order_of_keys_does_not_change_the_digest(chance: Any) -> None:
    assert policy_from(shuffled(FULL, chance)).digest() == policy_from(FULL).digest()


@given(st.sets(st.sampled_from(sorted(FULL))), st.sets(st.sampled_from(sorted(SILENT))))
@settings(deadline=None, max_examples=50)
def test_a_default_that_is_written_out_does_not_change_the_digest(said: set[str], written: set[str]) -> None:
    values = {key: FULL[key] for key in said if key != "fallback"}
    assert policy_from({**{key: SILENT[key] for key in written}, **values}).digest() == policy_from(values).digest()


@pytest.mark.parametrize(
    "written",
    [
        {"output": {"labels": ["symptoms", "billing"], "field": "category", "json_schema": None}},
        {"validators": [{"name": "labels", "config": {}, "if_not_run": "fail"}, FULL["validators"][1]]},
        {"fallback": [{"when": ["labels"], **FULL["fallback"][0]}]},
    ],
)
def test_a_default_inside_does_not_change_the_digest(written: Mapping[str, Any]) -> None:
    assert policy_from({**FULL, **written}).digest() == policy_from(FULL).digest()


@pytest.mark.parametrize(
    "other",
    [
        {"system_prompt": "Sort the message"},
        {"sampling": {"max_tokens": 33, "seed": 1}},
        {"defaults": {"temperature": 1, "stop": ["\n"]}},
        {"output": {"labels": ["billing", "symptoms"]}},
        {"output": {"labels": ["symptoms", "billing"], "field": "intent"}},
        {"validators": [{"name": "labels", "if_not_run": "pass"}, FULL["validators"][1]]},
        {"validators": FULL["validators"][::-1]},
        {"fallback": []},
        {"fallback": [{"name": "fixed_answer", "config": {"content": "{}"}}]},
    ],
)
def test_every_word_that_matters_changes_the_digest(other: Mapping[str, Any]) -> None:
    assert policy_from({**FULL, **other}).digest() != policy_from(FULL).digest()


def test_the_canonical_text_reads_back_as_the_same_policy() -> None:
    policy = policy_from(FULL)
    assert policy_from(json.loads(policy.canonical())) == policy
    assert Policy().canonical() == "{}"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([], "the policy is not a mapping; begin with a key such as system_prompt:"),
        ("text", "the policy is not a mapping; begin with a key such as system_prompt:"),
        ({"prompt": "x"}, "policy: there is no key 'prompt'; did you mean system_prompt?"),
        ({"system_prompt": 3}, "policy: system_prompt: Input should be a valid string"),
        ({"output": {}}, "policy: output: output takes labels or json_schema, one of the two"),
        (
            {"output": {"labels": ["a"], "json_schema": {}}},
            "policy: output: output takes labels or json_schema, one of the two",
        ),
        ({"output": {"labels": []}}, "policy: output: output.labels is empty"),
        ({"output": {"labels": ["a", "b", "a"]}}, "policy: output: output.labels names a label twice"),
        ({"output": {"labels": [""]}}, "policy: output.labels.0: String should have at least 1 character"),
        ({"output": {"labels": ["x" * 201]}}, "policy: output.labels.0: String should have at most 200 characters"),
        ({"output": {"labels": [1]}}, "policy: output.labels.0: Input should be a valid string"),
        ({"output": {"labels": "card"}}, "policy: output.labels: Input should be a valid tuple"),
        ({"output": {"labels": ["a"], "field": ""}}, "policy: output.field: String should have at least 1 character"),
        ({"output": {"json_schema": "x"}}, "policy: output.json_schema: Input should be a valid dictionary"),
        ({"validators": [{}]}, "policy: validators.0.name: Field required"),
        (
            {"validators": ["labels"]},
            "policy: validators.0: Input should be a valid dictionary or instance of ValidatorUse",
        ),
        ({"validators": [{"name": "labels"}] * 2}, "policy: validators names one plugin twice"),
        (
            {"validators": [{"name": "labels", "if_not_run": "maybe"}]},
            "policy: validators.0.if_not_run: Input should be 'fail' or 'pass'",
        ),
        (
            {"validators": [{"name": "labels"}], "fallback": [{"name": "fixed_answer", "when": ["label"]}]},
            "policy: fallback names 'label', which is none of the policy's checks",
        ),
        (
            {"fallback": [{"name": "fixed_answer", "on": []}]},
            "policy: fallback.0 has no key 'on'; known are config, name, when",
        ),
        ({"sampling": {"top_p": object()}}, "policy: sampling.top_p: input was not a valid JSON value"),
    ],
)
def test_a_wrong_policy_is_refused_in_one_sentence_that_says_where(values: object, sentence: str) -> None:
    assert refusal(values) == sentence


@pytest.mark.parametrize("part", ["sampling", "defaults"])
@pytest.mark.parametrize("key", sorted(NOT_SAMPLING))
def test_what_belongs_to_the_request_is_refused_as_sampling(part: str, key: str) -> None:
    sentence = f"policy: {key} is no sampling parameter; leave it to the request"
    assert refusal({part: {"temperature": 0, key: 1}}) == sentence


def test_labels_are_enforced_as_the_texts_of_the_whole_answers() -> None:
    output = policy_from({"output": {"labels": ["card", 'a "b"'], "field": "intent"}}).output
    assert output is not None
    assert output.constraint() == {"choice": ['{"intent": "card"}', '{"intent": "a \\"b\\""}']}


def test_labels_of_other_alphabets_are_enforced_as_they_are_written() -> None:
    output = policy_from({"output": {"labels": ["Übelkeit", "症状咨询"], "field": "Kategorie ä"}}).output
    assert output is not None
    assert output.constraint() == {"choice": ['{"Kategorie ä": "Übelkeit"}', '{"Kategorie ä": "症状咨询"}']}


def test_a_schema_is_enforced_as_it_stands_with_few_blanks_between() -> None:
    schema = {"type": "object", "required": ["name"]}
    output = policy_from({"output": {"json_schema": schema}}).output
    assert output is not None
    assert json.loads(output.constraint()["structural_tag"]) == {
        "type": "structural_tag",
        "format": {"type": "json_schema", "json_schema": schema, "max_whitespace_cnt": 8},
    }


def test_the_labels_validator_takes_labels_and_field_from_the_output(plugins: PluginManager) -> None:
    values = {"output": {"labels": ["card"], "field": "intent"}, "validators": [{"name": "labels"}]}
    ((_, validator),) = build(policy_from(values), plugins).validators
    assert (validator.config.labels, validator.config.field) == (("card",), "intent")


def test_labels_of_its_own_come_before_those_of_the_output(plugins: PluginManager) -> None:
    use = {"name": "labels", "config": {"labels": ["loan"]}}
    values = {"output": {"labels": ["card"], "field": "intent"}, "validators": [use]}
    ((_, validator),) = build(policy_from(values), plugins).validators
    assert (validator.config.labels, validator.config.field) == (("loan",), "intent")


def test_validators_and_rules_are_made_in_the_order_of_the_policy(plugins: PluginManager) -> None:
    built = build(policy_from(FULL), plugins)
    assert [(use.name, validator.name) for use, validator in built.validators] == [("labels",) * 2, ("confidence",) * 2]
    assert [(use.when, rule.config.content) for use, rule in built.fallbacks] == [(("labels",), "{}")]


def test_all_that_was_made_is_named_with_its_use(plugins: PluginManager) -> None:
    built = build(policy_from({**FULL, "input": [{"name": "injection"}]}), plugins)
    used = ["injection", "labels", "confidence", "fixed_answer"]
    assert [(use.name, component.name) for use, component in built.all()] == [(name, name) for name in used]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"validators": [{"name": "label"}]}, "policy: no validator is called 'label'; did you mean labels? inst"),
        ({"fallback": [{"name": "labels"}]}, "policy: no fallback rule is called 'labels'; installed: append, ask"),
        ({"input": [{"name": "labels"}]}, "policy: no input check is called 'labels'; installed: emergency, injection"),
        ({"validators": [{"name": "json_schema"}]}, "policy: json_schema: it has no schema; give `json_schema` here"),
        ({"validators": [{"name": "labels"}]}, "policy: labels: labels: field required"),
        ({"fallback": [{"name": "fixed_answer"}]}, "policy: fixed_answer: content: field required"),
        (
            {"validators": [{"name": "json_schema", "config": {"json_schema": {}}, "on_fail": "stop"}]},
            "policy: json_schema needs the whole answer, so on_fail: stop is not possible; leave it out",
        ),
    ],
)
def test_a_policy_that_no_plugin_can_serve_is_refused(
    plugins: PluginManager, values: Mapping[str, Any], sentence: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        build(policy_from(values), plugins)
    assert str(caught.value).startswith(sentence)


def test_the_schema_of_the_output_stands_once_in_a_policy(plugins: PluginManager) -> None:
    schema = {"type": "object", "required": ["a"]}
    values = {"output": {"json_schema": schema}, "validators": [{"name": "json_schema"}]}
    [(_, validator)] = build(policy_from(values), plugins).validators
    assert validator.config.json_schema == schema
    own = {"name": "json_schema", "config": {"json_schema": {"type": "array"}}}
    [(_, validator)] = build(policy_from({**values, "validators": [own]}), plugins).validators
    assert validator.config.json_schema == {"type": "array"}


def test_confidence_measures_the_field_that_the_output_names(plugins: PluginManager) -> None:
    policy = parse_policy("output: {labels: [a, b], field: intent}\nvalidators: [{name: confidence}]")
    [(_, confidence)] = build(policy, plugins).validators
    assert confidence.config.field == "intent"


def test_half_of_a_pair_of_characters_is_refused() -> None:
    with pytest.raises(PolicyError, match="half of a pair"):
        policy_from({"system_prompt": "broken \ud83d"})


def test_a_value_beside_the_labels_may_be_decoded_and_validators_know_it(plugins: PluginManager) -> None:
    policy = parse_policy("output: {labels: [a], reject: none}\nvalidators: [{name: labels}, {name: confidence}]")
    assert policy.output is not None
    assert policy.output.constraint() == {"choice": ['{"category": "a"}', '{"category": "none"}']}
    assert [validator.config.reject for _, validator in build(policy, plugins).validators] == ["none", "none"]


@pytest.mark.parametrize("output", [{"labels": ["a"], "reject": "a"}, {"json_schema": {}, "reject": "a"}])
def test_a_value_for_none_of_the_labels_is_none_of_them(output: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match="reject needs labels"):
        policy_from({"output": output})
