"""The fallback rules that say where the answer comes from instead; ``fixed_answer`` and ``append`` have their own."""

from __future__ import annotations

from typing import Any

import pytest

from postil.plugins import AskAgain, Completion, ConfigError, Fail, FallbackRule, Hold, RequestContext, Verdict
from postil.plugins.builtin.ask_again import Tighter
from postil.plugins.builtin.base import Base
from postil.plugins.builtin.error import Error
from postil.plugins.builtin.other_release import OtherRelease
from postil.plugins.builtin.review import Review


@pytest.mark.parametrize(
    ("rule", "config", "substitute"),
    [
        (Tighter, {"sampling": {"temperature": 0}}, AskAgain(sampling={"temperature": 0})),
        (Tighter, {"instruction": "Answer in JSON."}, AskAgain(instruction="Answer in JSON.")),
        (OtherRelease, {}, AskAgain(release="previous")),
        (OtherRelease, {"release": "healthcare/triage@2"}, AskAgain(release="healthcare/triage@2")),
        (OtherRelease, {"release": "healthcare/triage"}, AskAgain(release="healthcare/triage")),
        (Base, {}, AskAgain(release="base")),
        (Base, {"instruction": "Be brief."}, AskAgain(release="base", instruction="Be brief.")),
        (Review, {"content": "A nurse will answer."}, Hold("A nurse will answer.")),
        (Error, {"message": "Ask again later."}, Fail("Ask again later.")),
    ],
)
def test_each_rule_has_its_substitute_whatever_failed(
    context: RequestContext, rule: type[FallbackRule], config: dict[str, Any], substitute: object
) -> None:
    made = rule.from_mapping(config)
    for verdicts in ([], [Verdict.failed("one")], [Verdict.failed("one"), Verdict.failed("two")]):
        assert made.answer(context, Completion("nonsense"), verdicts) == substitute


@pytest.mark.parametrize(
    ("rule", "config", "sentence"),
    [
        (Tighter, {}, "ask_again: it would ask the same again; give sampling or an instruction"),
        (Tighter, {"sampling": {"n": 2}}, "ask_again: sampling: n is no sampling parameter; leave it out"),
        (Tighter, {"sampling": {"model": "x"}}, "ask_again: sampling: model is no sampling parameter; leave it out"),
        (Tighter, {"instruction": ""}, "ask_again: instruction: string should have at least 1 character"),
        (OtherRelease, {"release": "base"}, "other_release: release: string should match pattern"),
        (OtherRelease, {"release": "triage@2"}, "other_release: release: string should match pattern"),
        (OtherRelease, {"release": "healthcare/triage@0"}, "other_release: release: string should match pattern"),
        (Base, {"sampling": {}}, "base: there is no option sampling; leave it out"),
        (Review, {}, "review: content: field required"),
        (Error, {}, "error: message: field required"),
        (Error, {"message": ""}, "error: message: string should have at least 1 character"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(
    rule: type[FallbackRule], config: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        rule.from_mapping(config)
    assert str(caught.value).startswith(sentence)
