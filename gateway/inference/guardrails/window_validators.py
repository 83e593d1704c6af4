"""Runs the validators of a release that have a window on parts of one choice's texts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from postil.gateway.inference.guardrails.evaluate import evaluate_output
from postil.gateway.inference.guardrails.holdback import Rule
from postil.gateway.inference.routing.release import LoadedRelease
from postil.gateway.plugin_host.ports import Isolation
from postil.plugins import Completion, RequestContext, Verdict

# A long text that fails everywhere takes many questions: others get their turn after so many.
_TURN = 64


class WindowValidators:
    """``rules`` are those that act on a part of an answer; ``rest`` is the release with those that judge it whole.

    ``notices`` and ``reviews`` are what verdicts that passed have asked for so far.
    """

    def __init__(self, isolation: Isolation, release: LoadedRelease, context: RequestContext) -> None:
        parts = [pair for pair in release.validators if pair[0].on_fail != "fallback"]
        others = [pair for pair in release.validators if pair[0].on_fail == "fallback"]
        self.rules = [Rule(at, use, validator.scope.window or 1) for at, (use, validator) in enumerate(parts)]
        self.rest = replace(release, validators=others) if parts else release
        self.notices: dict[str, None] = {}
        self.reviews: dict[tuple[str, str], Verdict] = {}
        self._isolation = isolation
        self._context = context
        self._all = replace(release, validators=parts) if others else release
        self._one: dict[int, LoadedRelease] = {}
        self._asked = 0

    async def ask(self, part: Completion, rule: Rule | None) -> Sequence[Verdict]:
        """The failures of a part, by one rule or by all of them."""
        self._asked += 1
        if self._asked % _TURN == 0:
            await asyncio.sleep(0)
        release = self._all if rule is None else self._alone(rule)
        evaluation = await evaluate_output(self._isolation, release, self._context, part)
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
