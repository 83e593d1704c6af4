"""Runs the validators of a release that have a window on parts of one choice's texts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from postil.gateway.inference.guardrails.evaluate import evaluate_output
from postil.gateway.inference.guardrails.holdback import Rule
from postil.gateway.inference.routing.release import LoadedRelease
from postil.gateway.plugin_host.ports import Isolation
from postil.plugins import Completion, Outcome, RequestContext, Validator, Verdict
from postil.registry.policy.policy import ValidatorUse

# A long text that fails everywhere takes many questions: others get their turn after so many seconds.
_TURN_SECONDS = 0.004
# What the questions about one choice may take in all; after that, nothing more of it can be judged, or leave.
_MOST_SECONDS = 20.0


class WindowValidators:
    """``rules`` are those that act on a part of an answer; ``rest`` is the release with those that judge it whole.

    ``notices`` and ``reviews`` are what verdicts that passed have asked for so far. ``clock`` gives seconds.
    """

    def __init__(
        self,
        isolation: Isolation,
        release: LoadedRelease,
        context: RequestContext,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = [pair for pair in release.validators if pair[0].on_fail != "fallback"]
        others = [pair for pair in release.validators if pair[0].on_fail == "fallback"]
        self.rules = [Rule(at, use, validator.scope.window or 1) for at, (use, validator) in enumerate(parts)]
        self.rest = replace(release, validators=others) if parts else release
        self.notices: dict[str, None] = {}
        self.reviews: dict[tuple[str, str], Verdict] = {}
        self._isolation = isolation
        self._context = context
        self._clock = clock
        self._all = replace(release, validators=parts) if others else release
        self._one: dict[int, LoadedRelease] = {}
        self._turn = 0.0
        self._left = _MOST_SECONDS

    async def ask(self, part: Completion, rule: Rule | None) -> Sequence[Verdict]:
        """The failures of a part, by one rule or by all of them."""
        if self._turn > _TURN_SECONDS:
            self._turn = 0.0
            await asyncio.sleep(0)
        release = self._all if rule is None else self._alone(rule)
        if self._left < 0:
            return [_out_of_time(use, validator) for use, validator in release.validators]
        began = self._clock()
        evaluation = await evaluate_output(self._isolation, release, self._context, part)
        took = self._clock() - began
        self._turn += took
        self._left -= took
        for verdict in evaluation.verdicts:
            if verdict.ok and verdict.notice:
                self.notices[verdict.notice] = None
            if verdict.ok and verdict.review:
                self.reviews[verdict.validator, verdict.review] = verdict
        return evaluation.failed

    def _alone(self, rule: Rule) -> LoadedRelease:
        if rule.number not in self._one:
            self._one[rule.number] = replace(self._all, validators=[self._all.validators[rule.number]])
        return self._one[rule.number]


def _out_of_time(use: ValidatorUse, validator: Validator) -> Verdict:
    reason = f"did not run, the answer took longer than {_MOST_SECONDS:.0f} s to judge"
    return Verdict(Outcome.DID_NOT_RUN, reason, (), use.name, validator.version)
