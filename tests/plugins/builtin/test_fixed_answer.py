from __future__ import annotations

import pytest

from postil.plugins import Completion, ConfigError, RequestContext, Verdict
from postil.plugins.builtin.fixed_answer import FixedAnswer

REVIEW = '{"category": "needs_review"}'


@pytest.mark.parametrize("verdicts", [[], [Verdict.failed("one")], [Verdict.failed("one"), Verdict.failed("two")]])
def test_it_serves_its_content_whatever_failed(context: RequestContext, verdicts: list[Verdict]) -> None:
    fallback = FixedAnswer.from_mapping({"content": REVIEW}).answer(context, Completion("nonsense"), verdicts)
    assert fallback.content == REVIEW
    assert fallback.finish_reason == "stop"


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({}, "fixed_answer: content: field required"),
        ({"content": 3}, "fixed_answer: content: input should be a valid string"),
        ({"content": "x", "text": "y"}, "fixed_answer: there is no option text; leave it out"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        FixedAnswer.from_mapping(config)
    assert str(caught.value) == sentence
