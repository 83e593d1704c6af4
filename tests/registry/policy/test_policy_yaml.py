"""What people write: YAML, some of it hostile."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.plugins.manager import PluginManager
from postil.registry.errors import PolicyError
from postil.registry.policy.policy import MAX_POLICY_BYTES, Policy, build, parse_policy
from tests.support.paths import ROOT

README = ROOT / "README.md"
LAUGHS = "a: &a [x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n" for before, after in itertools.pairwise("abcdefghi")
)
HOSTILE = st.from_regex(r"[a-z]{1,3}: [!&*{}\[\]|>'\"%@a-z0-9:,. -]{0,20}")


def refusal(text: str | bytes) -> str:
    """The sentence with which a text is refused."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}", b"", "---\n"])
def test_nothing_is_the_empty_policy(text: str | bytes) -> None:
    assert parse_policy(text) == Policy()


def test_yaml_and_json_say_the_same() -> None:
    yaml = "system_prompt: Sort.\noutput:\n  labels: [card, loan]\n"
    json = b'{"output": {"labels": ["card", "loan"]}, "system_prompt": "Sort."}'
    assert parse_policy(yaml).digest() == parse_policy(json).digest()


def test_the_policy_in_the_readme_is_one(plugins: PluginManager) -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    built = build(parse_policy(text), plugins)
    assert [validator.name for _, validator in built.validators] == ["labels", "confidence"]
    assert [rule.name for _, rule in built.fallbacks] == ["fixed_answer"]


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text", "3", "true", '"x"'])
def test_what_is_not_a_mapping_is_refused(text: str) -> None:
    assert refusal(text) == "the policy is not a mapping; begin with a key such as system_prompt:"


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a: b: c",
        "\tx",
        "a: \x00",
        b"\xff\xfe\xff",
        "%YAML 9.9\n---\nx",
        "--- 1\n--- 2\n",
        "x: !!python/object/apply:os.system [ls]",
        "x: !unknown y",
        "[" * 5_000,
        "{a: " * 5_000,
        "x: " + "9" * 5_000,
        "? [a]\n: b",
        "x: 2024-13-45",
    ],
)
def test_what_is_not_yaml_is_refused(text: str | bytes) -> None:
    assert refusal(text).startswith("the policy is not YAML: ")


@pytest.mark.parametrize("text", ["x: !!bool perhaps", "x: !!int ''", "x: !!timestamp tomorrow"])
def test_a_value_that_does_not_fit_its_tag_is_refused(text: str) -> None:
    assert refusal(text) == "the policy is not YAML: a value does not fit its !!tag; leave the tag out"


@pytest.mark.parametrize(
    "text", [f"sampling:\n  x: &a 1\n  y: *a\n{LAUGHS}", "sampling: {x: &a [*a]}", "a: &a {b: 1}\nc: {<<: *a}"]
)
def test_aliases_that_could_stand_for_gigabytes_are_refused(text: str) -> None:
    assert refusal(text) == "the policy is not YAML: aliases (*name) are not allowed; write the value out"


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf", "0x" + "f" * 5_000])
def test_a_number_that_json_does_not_have_is_refused(number: str) -> None:
    assert refusal(f"defaults: {{temperature: {number}}}").startswith("policy: ")


@pytest.mark.parametrize("kind", [str, bytes])
def test_a_text_that_is_too_large_is_refused(kind: type) -> None:
    text = "#" * (MAX_POLICY_BYTES + 1)
    assert refusal(text if kind is str else text.encode()) == "the policy is larger than 256 KiB; shorten it"
    assert parse_policy(text[:-1]) == Policy()


@given(st.text(max_size=60) | st.binary(max_size=60) | HOSTILE)
@settings(deadline=None, max_examples=300)
def test_any_text_is_a_policy_or_refused(text: str | bytes) -> None:
    try:
        policy = parse_policy(text)
    except PolicyError:
        return
    assert parse_policy(policy.canonical()) == policy


def test_words_that_yaml_takes_for_true_and_false_are_refused_as_labels() -> None:
    assert refusal("output: {labels: [yes, no]}") == "policy: output.labels.0: Input should be a valid string"
