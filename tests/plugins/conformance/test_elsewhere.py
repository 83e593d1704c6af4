"""The other process: what is asked there, and what happens to one that does not answer."""

from __future__ import annotations

import pytest

from postil.plugins import Completion, RequestContext, Validator
from postil.plugins.conformance.elsewhere import answer, called_elsewhere
from postil.plugins.conformance.promises import BrokenPromiseError
from tests.plugins.broken import good, remembering


@pytest.mark.parametrize("component", [good.Good, good.GoodAwaited])
def test_it_makes_the_component_and_calls_it(component: type[Validator], context: RequestContext) -> None:
    calls = [(context, Completion(text)) for text in ("all is well", "a bad word")]
    here = answer(component.__module__, component.__qualname__, {"word": "bad"}, "judge", calls)
    assert [verdict.ok for verdict in here] == [True, False]
    assert called_elsewhere(component.from_mapping({"word": "bad"}), "judge", calls, 1.0) == [here, here]


def test_one_that_does_not_answer_is_told_of(context: RequestContext) -> None:
    hangs = remembering.HangsElsewhere.from_mapping({})
    with pytest.raises(BrokenPromiseError, match=r"hangs-elsewhere is not done in a process of its own within 1\.5 s"):
        called_elsewhere(hangs, "judge", [(context, Completion("a"))], 0.5, start_seconds=1.0)
