"""Validators with a window over a text that takes them long: others get their turn, and there is an end."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from postil.gateway.inference.guardrails.window_validators import WindowValidators
from postil.gateway.inference.routing.release import LoadedRelease
from postil.plugins import Completion, Outcome, ReleaseRef, RequestContext, Validator, Verdict, window
from postil.registry.policy.policy import Policy, ValidatorUse
from tests.fakes.windows_path import NoPluginHost


class Lenient(Validator):
    """Lets all pass."""

    name = "lenient"
    scope = window(4)

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Let it pass."""
        return Verdict.passed()


def validators(seconds: float) -> WindowValidators:
    """A validator in force for one answer, by a clock in which each question takes so long."""
    ref = ReleaseRef("legal", "notes", 1)
    use = ValidatorUse(name="lenient", on_fail="redact")
    release = LoadedRelease(ref, "sha256:0", "postil-0", Policy(), (), [(use, Lenient(None))], (), None, False, True)
    context, clock = RequestContext(ref, "firm", {}), itertools.count(0.0, seconds)
    return WindowValidators(NoPluginHost(), release, context, lambda: next(clock))


@pytest.mark.parametrize(("milliseconds", "expected"), [(5.0, 11), (3.0, 5), (1.5, 3), (0.1, 0)])
async def test_others_get_their_turn_after_every_four_milliseconds_of_questions(
    milliseconds: float, expected: int
) -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside, asked = asyncio.create_task(other()), validators(milliseconds / 1000)
    for _ in range(12):
        assert await asked.ask(Completion("abcd"), None) == []
    beside.cancel()
    assert turns == expected


async def test_an_answer_that_takes_too_long_to_judge_did_not_pass() -> None:
    asked = validators(10.5)
    assert await asked.ask(Completion("abcd"), None) == []
    assert await asked.ask(Completion("abcd"), None) == []
    (verdict,) = await asked.ask(Completion("abcd"), None)
    assert (verdict.outcome, verdict.validator) == (Outcome.DID_NOT_RUN, "lenient")
    assert "longer than 20 s" in verdict.reason
