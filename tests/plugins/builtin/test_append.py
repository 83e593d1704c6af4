from __future__ import annotations

from dataclasses import replace

import pytest

from postil.plugins import Completion, ConfigError, Fallback, Outcome, RequestContext, Verdict
from postil.plugins.builtin.append import Append

CONFIG = {"content": "This is no medical advice."}
MISSING = replace(Verdict.failed("the required sentence is not there"), validator="disclaimer")


def test_the_text_follows_the_answer(context: RequestContext) -> None:
    found = Append.from_mapping(CONFIG).answer(context, Completion("Rest.", "length"), [MISSING])
    assert found == Fallback("Rest.\n\nThis is no medical advice.", "length")
    found = Append.from_mapping({**CONFIG, "separator": " "}).answer(context, Completion("Rest."), [MISSING])
    assert found == Fallback("Rest. This is no medical advice.", "stop")


@pytest.mark.parametrize(
    ("completion", "verdicts"),
    [
        (Completion("poison"), [MISSING, replace(MISSING, validator="blocklist")]),
        (Completion("poison"), [replace(MISSING, validator="blocklist")]),
        (Completion("Rest."), [replace(MISSING, outcome=Outcome.DID_NOT_RUN)]),
        (Completion("Rest."), []),
        (Completion(""), [MISSING]),
        (Completion("Rest.", tool_calls=[{"function": {}}]), [MISSING]),
    ],
)
def test_an_answer_that_lacks_more_than_the_text_is_left_to_the_next_rule(
    context: RequestContext, completion: Completion, verdicts: list[Verdict]
) -> None:
    assert Append.from_mapping(CONFIG).answer(context, completion, verdicts) is None


def test_a_policy_can_name_what_the_text_mends(context: RequestContext) -> None:
    rule = Append.from_mapping({**CONFIG, "mends": ["length"]})
    assert rule.answer(context, Completion("Rest."), [replace(MISSING, validator="length")]) is not None
    assert rule.answer(context, Completion("Rest."), [MISSING]) is None


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({}, "append: content: field required"),
        ({"content": ""}, "append: content: string should have at least 1 character"),
        ({"content": "x", "mends": []}, "append: mends: tuple should have at least 1 item after validation, not 0"),
        ({"content": "x", "text": "y"}, "append: there is no option text; leave it out"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Append.from_mapping(config)
    assert str(caught.value) == sentence
