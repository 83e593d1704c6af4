from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from postil.plugins import Completion, FallbackRule, InputCheck, RequestContext, Validator, Verdict, hookimpl
from postil.plugins.contract import Config
from postil.plugins.manager import PluginManager
from postil.registry.errors import PolicyError
from postil.registry.policy.policy import build, parse_policy
from postil.registry.policy.schema import policy_schema
from tests.support.paths import ROOT

PLUGINS = PluginManager(entry_points=False)
SCHEMA = Draft202012Validator(policy_schema(PLUGINS))
LABELLED = {"labels": ["a", "b"]}
DEMOS = sorted((ROOT / "deploy" / "demo").rglob("policy.yaml"))


def complaints(values: Any, schema: Draft202012Validator = SCHEMA) -> list[ValidationError]:
    """What the schema has against a policy."""
    return list(schema.iter_errors(values))


def taken(values: Any, plugins: PluginManager = PLUGINS) -> bool:
    """Whether a gateway would take the policy."""
    try:
        build(parse_policy(json.dumps(values)), plugins)
    except PolicyError:
        return False
    return True


def unquoted(values: Any) -> Any:
    """The same without the one thing that a gateway takes and the schema marks: "0.5" or true for a number."""
    text = json.dumps(values)
    for marked, right in (('"0.5"', "0.5"), ("true", "1"), ('"7"', "7")):
        for key in ("minimum", "deadline_ms", "audit_percent"):
            text = text.replace(f'"{key}": {marked}', f'"{key}": {right}')
    return json.loads(text)


def some(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object that has some of these keys, and now and then one that nobody knows."""
    return st.fixed_dictionaries({}, optional={**values, "strange": st.just(1)} if values else {}).map(
        lambda found: {key: value for key, value in found.items() if key != "strange" or len(found) % 3 == 0}
    )


TEXTS = st.sampled_from(["", "a", "b", "labels", "é\U0001f600", "x" * 201, None, 1])
LABELS: st.SearchStrategy[Any] = st.lists(TEXTS, max_size=3) | st.just(["a", "b"]) | st.sampled_from([None, "a", {}])
NUMBERS = st.sampled_from([0, 0.5, 1, 1.0, 1.5, -1, "0.5", "half", True, None])
OUTPUT = st.none() | some(
    labels=LABELS, field=TEXTS, reject=TEXTS, json_schema=st.sampled_from([None, {}, {"type": "object"}, 1])
)
CONFIG = st.none() | some(labels=LABELS, field=TEXTS, reject=TEXTS, minimum=NUMBERS, content=TEXTS)
LABELS_CONFIG = some(labels=LABELS, reject=TEXTS)
USES = st.one_of(
    st.fixed_dictionaries({"name": st.just("labels")}, optional={"config": LABELS_CONFIG}),
    st.fixed_dictionaries({"name": st.just("confidence")}, optional={"config": some(minimum=NUMBERS)}),
    st.fixed_dictionaries(
        {"name": st.sampled_from(["labels", "confidence", "fixed_answer", "none", 1])},
        optional={
            "config": CONFIG,
            "if_not_run": st.sampled_from(["fail", "pass", "open"]),
            "deadline_ms": st.sampled_from([1, 7.0, "7", 0, None]),
            "on_fail": st.sampled_from(["fallback", "stop", "explode"]),
            "replacement": TEXTS,
        },
    ),
)
RULES = st.fixed_dictionaries(
    {"name": st.sampled_from(["fixed_answer", "fixed_answer", "labels"])},
    optional={
        "config": some(content=TEXTS) | CONFIG,
        "when": st.none() | st.lists(st.sampled_from(["labels", "confidence", "none", "engine_error"]), max_size=2),
    },
)
SAMPLING = st.dictionaries(
    st.sampled_from(["max_tokens", "temperature", "stop", "model", "n"]), st.sampled_from([1, 0.5, ["a"], None]),
    max_size=2,
)  # fmt: skip
POLICIES = some(
    system_prompt=TEXTS, sampling=SAMPLING, defaults=SAMPLING, output=OUTPUT,
    validators=st.lists(USES, max_size=2), fallback=st.lists(RULES, max_size=2),
)  # fmt: skip
# Most of those above are wrong in several places; these are mostly right, and closer to where right ends.
SOUND_OUTPUT: st.SearchStrategy[Any] = st.sampled_from(
    [None, LABELLED, {"labels": ["a"], "reject": "b"}, {"labels": ["a"], "field": "f"}, {"json_schema": {}}]
)
SOUND_USES = st.sampled_from(
    [
        {"name": "labels"}, {"name": "labels", "config": {"field": "f"}},
        {"name": "labels", "config": {"labels": ["a"]}}, {"name": "confidence", "if_not_run": "pass"},
        {"name": "confidence", "config": {"minimum": "0.5"}},
    ]
)  # fmt: skip
SOUND_RULES = st.fixed_dictionaries(
    {"name": st.just("fixed_answer"), "config": st.just({"content": "no"})},
    optional={"when": st.none() | st.lists(st.sampled_from(["labels", "confidence"]), max_size=2)},
)
SOUND = st.fixed_dictionaries(
    {},
    optional={
        "output": SOUND_OUTPUT, "validators": st.lists(SOUND_USES, max_size=2), "sampling": SAMPLING,
        "fallback": st.lists(SOUND_RULES, max_size=2), "system_prompt": TEXTS,
    },
)  # fmt: skip


@settings(deadline=None, max_examples=600)
@given(POLICIES | SOUND)
def test_what_a_gateway_takes_the_schema_takes(values: dict[str, Any]) -> None:
    if taken(values):
        assert [error.message for error in complaints(unquoted(values))] == []


@pytest.mark.parametrize("path", DEMOS, ids=lambda path: path.parent.name)
def test_the_demo_keeps_to_the_schema(path: Path) -> None:
    assert complaints(yaml.safe_load(path.read_text())) == []


def test_there_are_demos() -> None:
    assert len(DEMOS) == 3


GOOD: Sequence[Any] = [
    {},
    {"output": None, "system_prompt": None},
    {"output": {"json_schema": {"type": "object", "required": ["a"]}}},
    {"output": {"labels": None, "json_schema": {}}},
    {"output": {**LABELLED, "field": "intent", "reject": "none", "json_schema": None}},
    {"output": LABELLED, "validators": [{"name": "labels"}, {"name": "confidence", "if_not_run": "pass"}]},
    {"output": LABELLED, "validators": [{"name": "labels", "config": {"labels": ["c"]}}]},
    {"validators": [{"name": "labels", "config": {"labels": ["a"]}}]},
    {"validators": [{"name": "confidence"}], "fallback": [
        {"name": "fixed_answer", "config": {"content": "no"}, "when": ["confidence"]},
        {"name": "fixed_answer", "config": {"content": ""}, "when": None},
        {"name": "fixed_answer", "config": {"content": ""}, "when": ["did_not_run", "engine_error"]},
    ]},
    {"validators": [{"name": "confidence", "deadline_ms": 50, "on_fail": "fallback", "replacement": ""}]},
    {"reviews": {"webhook": "decisions", "assign_to": "ann", "audit_percent": 2.5}, "input": []},
    {"sampling": {"max_tokens": 32, "stop": ["\n"], "logit_bias": {"1": -1}}},
]  # fmt: skip
WRONG: Sequence[Any] = [
    [], "text", 1,
    {"prompt": "x"},
    {"system_prompt": 1},
    {"sampling": {"model": "x"}},
    {"defaults": {"response_format": {}}},
    {"output": {}},
    {"output": {"labels": []}},
    {"output": {"labels": None}},
    {"output": {"labels": ["a", "a"]}},
    {"output": {"labels": ["a", ""]}},
    {"output": {"labels": ["x" * 201]}},
    {"output": {"labels": "a"}},
    {"output": {**LABELLED, "json_schema": {}}},
    {"output": {"json_schema": {}, "reject": "none"}},
    {"output": {**LABELLED, "strange": 1}},
    {"validators": None},
    {"validators": [{}]},
    {"validators": ["labels"]},
    {"validators": [{"name": "unheard_of"}]},
    {"validators": [{"name": "fixed_answer", "config": {"content": ""}}]},
    {"validators": [{"name": "labels"}]},
    {"validators": [{"name": "labels", "config": {}}]},
    {"validators": [{"name": "labels"}], "output": {"json_schema": {}}},
    {"validators": [{"name": "labels", "config": {"labels": []}}], "output": LABELLED},
    {"validators": [{"name": "confidence", "config": {"minimum": 2}}]},
    {"validators": [{"name": "confidence", "config": {"minimum": "half"}}]},
    {"validators": [{"name": "confidence", "config": {"maximum": 1}}]},
    {"validators": [{"name": "confidence", "config": None}]},
    {"validators": [{"name": "confidence", "if_not_run": "open"}]},
    {"validators": [{"name": "confidence", "when": ["labels"]}]},
    {"validators": [{"name": "confidence", "deadline_ms": 0}]},
    {"validators": [{"name": "confidence", "on_fail": "explode"}]},
    {"input": [{"name": "labels", "config": {"labels": ["a"]}}]},
    {"reviews": {"audit_percent": 101}},
    {"reviews": {"webhook": "ftp://host"}},
    {"reviews": {"webhook": "https://host/path"}},
    {"reviews": {"webhook": "Decisions"}},
    {"reviews": {"webhook": ""}},
    {"fallback": [{"name": "labels"}]},
    {"fallback": [{"name": "fixed_answer"}]},
    {"fallback": [{"name": "fixed_answer", "config": {}}], "output": LABELLED},
    {"fallback": [{"name": "fixed_answer", "config": {"content": 1}}]},
    {"fallback": [{"name": "fixed_answer", "config": {"content": ""}, "when": ["unheard_of"]}]},
]  # fmt: skip


@pytest.mark.parametrize("values", GOOD, ids=json.dumps)
def test_both_take_what_is_right(values: Any) -> None:
    assert taken(values)
    assert complaints(values) == []


@pytest.mark.parametrize("values", WRONG, ids=lambda values: json.dumps(values)[:80])
def test_both_refuse_what_is_wrong(values: Any) -> None:
    assert not taken(values)
    assert complaints(values) != []


def test_it_is_a_schema_and_says_which() -> None:
    schema = policy_schema(PLUGINS)
    Draft202012Validator.check_schema(schema)
    assert (schema["$schema"], schema["$id"]) == (Draft202012Validator.META_SCHEMA["$id"], "urn:postil:policy")
    assert schema["title"] == "Policy"
    assert "The rules for an adapter's answers." in schema["description"]
    uses = {use["title"]: use["description"] for use in schema["$defs"]["ValidatorUse"]["oneOf"]}
    assert uses["labels"] == 'Passes ``{"category": "<one of labels>"}`` and nothing else.'
    assert "whatever a client sends" in schema["properties"]["sampling"]["description"]


class Deep(Config):
    """One step down."""

    depth: int
    further: Deep | None = None


class DeepConfig(Config):
    """Configuration with parts of its own, one of them within itself; ``labels`` comes out of the policy's output."""

    labels: tuple[str, ...]
    deep: Deep


class Down(Validator):
    """Named so that a pointer has to be escaped."""

    name = "a/b~{c} d"
    Config = DeepConfig

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        return Verdict.passed()


class Up(Down):
    """Another of the same configuration."""

    name = "up"


class Ask(InputCheck):
    """Looks at requests."""

    name = "ask"
    Config = Deep

    def check(self, context: RequestContext) -> Verdict:
        return Verdict.passed()


class Serve(FallbackRule):
    """Has to be told its labels: only validators get them out of the output."""

    name = "serve"
    Config = DeepConfig

    def answer(self, context: RequestContext, completion: Completion, verdicts: Sequence[Verdict]) -> None:
        return None


class Plugin:
    """Offers them all."""

    @hookimpl
    def postil_fallback_rules(self) -> list[type[FallbackRule]]:
        return [Serve]

    @hookimpl
    def postil_validators(self) -> list[type[Validator]]:
        return [Down, Up]

    @hookimpl
    def postil_input_checks(self) -> list[type[InputCheck]]:
        return [Ask]


@pytest.mark.parametrize("name", [Down.name, Up.name])
def test_a_plugin_of_somebody_elses_is_in_it_with_all_its_parts(name: str) -> None:
    plugins = PluginManager([Plugin()], entry_points=False)
    schema = Draft202012Validator(policy_schema(plugins))
    good = {"depth": 1, "further": {"depth": 2}}
    wrong = {"depth": 1, "further": {"depth": "two"}}
    for output, config, right in [
        (LABELLED, {"deep": good}, True),
        (None, {"deep": good, "labels": ["a"]}, True),
        (None, {"deep": good}, False),
        (LABELLED, {"deep": wrong}, False),
        (LABELLED, {}, False),
    ]:
        values = {"output": output, "validators": [{"name": name, "config": config}]}
        assert taken(values, plugins) is right
        assert (complaints(values, schema) == []) is right
    assert complaints({"validators": [{"name": name}]}) != []


def test_an_input_check_is_in_it_and_a_fallback_may_be_for_it() -> None:
    plugins = PluginManager([Plugin()], entry_points=False)
    schema = Draft202012Validator(policy_schema(plugins))
    for uses, when, right in [
        ([{"name": "ask", "config": {"depth": 1}}], ["ask"], True),
        ([{"name": "ask", "config": {"depth": 1, "further": {"depth": None}}}], ["ask"], False),
        ([{"name": "ask"}], ["ask"], False),
        ([{"name": "up"}], None, False),
        ([{"name": "ask", "config": {"depth": 1}}], ["asks"], False),
    ]:
        rule = {"name": "fixed_answer", "config": {"content": ""}, "when": when}
        values = {"input": uses, "fallback": [rule]}
        assert taken(values, plugins) is right
        assert (complaints(values, schema) == []) is right


def test_a_fallback_rule_takes_nothing_out_of_the_output() -> None:
    plugins = PluginManager([Plugin()], entry_points=False)
    schema = Draft202012Validator(policy_schema(plugins))
    for config, right in [({"deep": {"depth": 1}}, False), ({"deep": {"depth": 1}, "labels": ["a"]}, True)]:
        values = {"output": LABELLED, "fallback": [{"name": "serve", "config": config}]}
        assert taken(values, plugins) is right
        assert (complaints(values, schema) == []) is right
