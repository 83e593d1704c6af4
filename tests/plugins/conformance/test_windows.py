"""How much is asked of a validator with a window."""

from __future__ import annotations

from postil.plugins import Completion, RequestContext, Verdict
from postil.plugins.conformance.calling import Caller
from postil.plugins.conformance.windows import _BUDGET, WindowCheck
from tests.plugins.broken import good


class Counting(good.Good):
    """Counts what it is asked."""

    characters = 0

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Judge, and count."""
        self.characters += len(completion.text)
        return super().judge(context, completion)


def test_a_large_window_costs_no_more_than_a_small_one() -> None:
    long = "bad" * 1_300
    validator = Counting.from_mapping({"word": long})
    WindowCheck(Caller("counting", "judge", 1.0), validator).run([long, "all is well", f"all is {long} well"])
    assert _BUDGET * 0.8 < validator.characters < _BUDGET * 1.5


def test_an_empty_answer_can_be_looked_at() -> None:
    validator = Counting.from_mapping({})
    WindowCheck(Caller("counting", "judge", 1.0), validator).run([""])
    assert validator.characters > 0
