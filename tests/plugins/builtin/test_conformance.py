"""What comes with postil keeps the contract as anybody's plugins have to."""

from __future__ import annotations

from typing import Any

import pytest

from postil.plugins import AskAgain, Completion, Fail, Fallback, Hold, Token
from postil.plugins.manager import PluginManager
from postil.plugins.testing import check_fallback_rule, check_input_check, check_validator

Given = dict[str, Any]
LABEL = '{"category": "a"}'


def label(logprob: float) -> Completion:
    """An answer whose label has some probability."""
    return Completion(LABEL, "stop", (Token('{"category": "', 0.0), Token("a", logprob), Token('"}', 0.0)))


# For each: its configuration, answers that pass and that fail, and configurations that it has to refuse.
VALIDATORS: dict[str, tuple[Given, list[Any], list[Any], list[Given]]] = {
    "labels": ({"labels": ["a"], "reject": "b"}, [LABEL], ['{"category": "c"}', "a"], [{}, {"labels": []}]),
    "confidence": ({"minimum": 0.5}, [label(-0.1)], [label(-3.0), LABEL], [{"minimum": 2}]),
    "json_schema": (
        {"json_schema": {"type": "object", "required": ["a"]}}, ['{"a": 1}'], ['{"b": 1}', "a"],
        [{}, {"json_schema": {"type": "nothing"}}],
    ),
    "blocklist": (
        {"phrases": ["will cure", "wonder drug"], "patterns": [r"\bno risks?\b"]},
        ["See a doctor.", "He will, curiously, not."], ["This will cure you", "a WONDER\ndrug", "there is no risk"],
        [{}, {"patterns": ["("]}, {"patterns": ["a.*b"]}],
    ),
    "pii": (
        {"kinds": ["email", "card", "ip"]}, ["Order 4111 of 2 May.", "Version 1.2.3"],
        ["Write to anna@example.org.", "4111 1111 1111 1111", "at 192.168.10.20"], [{"kinds": []}, {"kinds": ["shoe"]}],
    ),
    "length": ({"max_characters": 20, "min_words": 1}, ["short"], ["so long that it is too long", ""], [{}]),
    "disclaimer": ({"text": "This is no advice."}, ["Rest. This is no advice."], ["Rest."], [{}, {"text": " "}]),
}
INPUT_CHECKS: dict[str, tuple[Given, list[Any], list[Any], list[Given]]] = {
    "emergency": ({}, ["I have chest pain and nausea", "my bill is wrong"], [], [{"phrases": ["a"]}]),
    "input_length": ({"max_characters": 12}, ["hello"], ["hello, hello, hello"], [{}, {"max_characters": 0}]),
}
RULES: dict[str, tuple[Given, list[Any], str, list[Given]]] = {
    "fixed_answer": ({"content": "wait"}, [("no", Fallback("wait"))], "labels", [{}]),
    "append": (
        {"content": "No advice."}, [(Completion("Rest.", "stop"), Fallback("Rest.\n\nNo advice."))], "disclaimer", [{}],
    ),
    "ask_again": (
        {"sampling": {"temperature": 0}}, [("no", AskAgain(sampling={"temperature": 0}))], "labels",
        [{}, {"sampling": {"model": "base"}}],
    ),
    "other_release": ({}, [("no", AskAgain("previous"))], "labels", [{"release": "no name"}]),
    "base": ({}, [("no", AskAgain("base"))], "labels", []),
    "review": ({"content": "Somebody looks at it."}, [("no", Hold("Somebody looks at it."))], "labels", []),
    "error": ({"message": "Ask again."}, [("no", Fail("Ask again."))], "labels", []),
}
PLUGINS = PluginManager(entry_points=False)


@pytest.mark.parametrize("name", VALIDATORS)
def test_a_built_in_validator_keeps_the_contract(name: str) -> None:
    config, passes, fails, bad = VALIDATORS[name]
    check_validator(PLUGINS.validator(name), config, passes=passes, fails=fails, bad=bad)


@pytest.mark.parametrize("name", INPUT_CHECKS)
def test_a_built_in_input_check_keeps_the_contract(name: str) -> None:
    config, passes, fails, bad = INPUT_CHECKS[name]
    check_input_check(PLUGINS.input_check(name), config, passes=passes, fails=fails, bad=bad)


@pytest.mark.parametrize("name", RULES)
def test_a_built_in_fallback_rule_keeps_the_contract(name: str) -> None:
    config, answers, failed_by, bad = RULES[name]
    check_fallback_rule(PLUGINS.fallback_rule(name), config, answers=answers, failed_by=failed_by, bad=bad)


def test_none_is_left_out() -> None:
    offered = {(offer.kind, offer.name) for offer in PLUGINS.offers()}
    checked = {"validator": VALIDATORS, "input check": INPUT_CHECKS, "fallback rule": RULES}
    assert {(kind, name) for kind, table in checked.items() for name in table} == offered
