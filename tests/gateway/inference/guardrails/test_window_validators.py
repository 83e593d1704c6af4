"""Validators with a window over a text that takes them long: others get their turn, and there is an end."""

from __future__ import annotations

import asyncio
import time

import pytest

from postil.gateway.inference.guardrails import window_validators
from postil.gateway.inference.guardrails.window_validators import WindowValidators
from postil.gateway.inference.routing.release import LoadedRelease
from postil.plugins import Completion, Outcome, ReleaseRef, RequestContext, Validator, Verdict, window
from postil.registry.policy.policy import Policy, ValidatorUse
from tests.fakes.windows_path import NoPluginHost


class Slow(Validator):
    """Takes the loop's time for each part."""

    name = "slow"
    scope = window(4)

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Spend five milliseconds."""
        until = time.monotonic() + 0.005
        while time.monotonic() < until:
            pass
        return Verdict.passed()


def validators() -> WindowValidators:
    """The slow one, in force for one answer."""
    ref = ReleaseRef("legal", "notes", 1)
    use = ValidatorUse(name="slow", on_fail="redact")
    release = LoadedRelease(ref, "sha256:0", "postil-0", Policy(), (), [(use, Slow(None))], (), None, False)
    return WindowValidators(NoPluginHost(), release, RequestContext(ref, "firm", {}))


async def test_others_get_their_turn_between_the_questions_about_one_answer() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside, asked = asyncio.create_task(other()), validators()
    for _ in range(6):
        assert await asked.ask(Completion("abcd"), None) == []
    beside.cancel()
    assert turns >= 5


async def test_an_answer_that_takes_too_long_to_judge_did_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_validators, "_MOST_SECONDS", 0.004)
    asked = validators()
    assert await asked.ask(Completion("abcd"), None) == []
    (verdict,) = await asked.ask(Completion("abcd"), None)
    assert (verdict.outcome, verdict.validator) == (Outcome.DID_NOT_RUN, "slow")
    assert "longer than" in verdict.reason
