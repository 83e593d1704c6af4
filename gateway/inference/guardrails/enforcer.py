"""From the engine's answer to what may leave: judged whole, and the policy's fallbacks tried one after the other."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from postil.gateway.errors import BadRequestError, EngineRefusedError, EngineUnavailableError, UnvalidatedError
from postil.gateway.inference import request as payload
from postil.gateway.inference import responses as answers
from postil.gateway.inference.guardrails.choice import HeldChoice
from postil.gateway.inference.guardrails.choice import settle as settle_windows
from postil.gateway.inference.guardrails.client_caused import is_client_caused
from postil.gateway.inference.guardrails.evaluate import Evaluation, evaluate_input, evaluate_output, run_fallback
from postil.gateway.inference.guardrails.other_release import other_release
from postil.gateway.inference.guardrails.window_validators import WindowValidators
from postil.gateway.inference.ports import ReviewNotKeptError, ReviewSink
from postil.gateway.inference.record import RequestRecord
from postil.gateway.inference.routing.catalog import BASE
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.inference.routing.release import LoadedRelease
from postil.gateway.plugin_host.ports import DidNotRunError, Isolation
from postil.plugins import AskAgain, Completion, Fail, Fallback, Hold, Outcome, RequestContext, Verdict
from postil.plugins.types import Substitute
from postil.registry.policy.policy import DID_NOT_RUN, ENGINE_ERROR, FallbackUse
from postil.registry.reviews.reviews import AUDIT, CHECK, LOW_CONFIDENCE, ReviewRequest

log = logging.getLogger(__name__)
# So often a request may be asked again in all, whatever its policy says.
_AGAIN = 3
# The built-in validator of how sure the model was.
_CONFIDENCE = "confidence"
Choice = dict[str, Any]
SendToEngine = Callable[[LoadedRelease | None, Mapping[str, Any]], Awaitable[bytes]]


class Enforcer:
    """One request to a release, from its input checks to the answer.

    ``send`` asks the engine: an engine's request for a release (None: the base) in, its bytes out.
    """

    def __init__(
        self,
        record: RequestRecord,
        send: SendToEngine,
        *,
        plugin_host: Isolation,
        catalog: CatalogHolder,
        reviews: ReviewSink,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plugin_host = plugin_host
        self._clock = clock
        self._catalog = catalog
        self._review_sink = reviews
        self._record = record
        self._send = send
        self._release = record.route.release
        self._context = RequestContext(
            self._release.ref, record.caller.name, payload.rendered_body(record.request, self._release)
        )
        self._again = 0
        self._fallbacks: dict[str, None] = {}
        self._notices: dict[str, None] = {}
        self._reviews: dict[str, None] = {}
        self._to_review: list[tuple[Verdict, str]] = []

    async def check_input(self) -> Choice | None:
        """Have the request looked at. Returns the choice to serve in its place where it may not go to the model."""
        evaluation = await evaluate_input(self._plugin_host, self._release, self._context)
        self._note(evaluation, "")
        self._record.verdicts += evaluation.verdicts
        if not evaluation.failed:
            return None
        self._record.failed_validation = True
        choice = answers.empty_choice(self._record.request.kind)
        try:
            await self._fall_back(choice, Completion(""), evaluation.failed, may_ask=False)
        except UnvalidatedError:
            first = evaluation.failed[0]
            raise BadRequestError(f"the request did not pass `{first.validator}`: {first.reason}") from None
        return choice

    async def enforce(self, choice: Choice) -> None:
        """Judge one choice, and put in its place what the policy says. Raises UnvalidatedError if it says nothing."""
        self._record.hear(choice)
        caused = is_client_caused(self._record.request, self._release, choice)
        release = await self._behind_windows(choice, self._release, caused=caused)
        completion = answers.completion(choice, self._record.request.kind)
        evaluation = await self._judged(choice, release, completion)
        self._note(evaluation, completion.text)
        if evaluation.failed:
            self._record.fail_validation(client_caused=caused)
            await self._fall_back(choice, completion, evaluation.failed)
        else:
            self._sample(completion.text, evaluation.verdicts)

    def window_validators(self, release: LoadedRelease | None = None) -> WindowValidators:
        """The validators with a window, for one choice."""
        return WindowValidators(self._plugin_host, release or self._release, self._context, self._clock)

    async def client_notes(self, choice: HeldChoice) -> dict[str, str]:
        """What the last event of a streamed choice tells the client, under the names of the headers."""
        self._sample(choice.sent, ())
        reviews = [await self._opened(verdict, choice.sent) for verdict in choice.window_validators.reviews.values()]
        told = {
            "fallback": "; ".join(choice.acts),
            "notice": " ".join(self._notices | choice.window_validators.notices),
            "review": "; ".join(filter(None, reviews)),
        }
        return {name: text for name, text in told.items() if text}

    async def on_engine_error(self, error: EngineUnavailableError | EngineRefusedError) -> Choice:
        """What is served where the engine failed. Raises ``error`` if the policy says nothing of that."""
        self._record.engine_error = True
        choice = answers.empty_choice(self._record.request.kind)
        failed = [Verdict(Outcome.DID_NOT_RUN, "the engine failed", (), ENGINE_ERROR)]
        try:
            await self._fall_back(choice, Completion(""), failed)
        except UnvalidatedError:
            raise error from None
        return choice

    async def headers(self) -> dict[str, str]:
        """What the client is told beside the answer; reviews that were asked for are kept before it leaves."""
        for verdict, text in self._to_review:
            review = await self._opened(verdict, text)
            if review is not None:
                self._reviews[review] = None
        told = {
            "x-postil-fallback": self._fallbacks,
            "x-postil-notice": self._notices,
            "x-postil-review": self._reviews,
        }
        # A review that was discarded has no id.
        return {name: answers.header_value(text) for name, values in told.items() if (text := "; ".join(values))}

    def tell(self, notice: str | None) -> None:
        """Tell the client something beside the answer, if there is something to tell."""
        if notice:
            self._notices[notice] = None

    @property
    def notice(self) -> str:
        """What the client is told in the answer's body, too."""
        return " ".join(self._notices)

    async def _behind_windows(self, choice: Choice, release: LoadedRelease, *, caused: bool = False) -> LoadedRelease:
        """Have the validators with a window act on a whole choice; what is left of the release is to judge the rest."""
        if all(use.on_fail == "fallback" for use, _ in release.validators):
            return release
        panel = self.window_validators(release)
        self._acted(await settle_windows(panel, choice, self._record.request.kind), caused=caused)
        return panel.rest

    async def _judged(self, choice: Choice, release: LoadedRelease, completion: Completion) -> Evaluation:
        """The verdicts of those that judge an answer whole; what they are not shown of it does not leave."""
        if release.validators:
            answers.drop_unjudged(choice)
        evaluation = await evaluate_output(self._plugin_host, release, self._context, completion)
        self._record.verdicts += evaluation.verdicts
        return evaluation

    def _acted(self, choice: HeldChoice, *, caused: bool) -> None:
        if choice.acts:
            self._record.fail_validation(client_caused=caused)
            self._record.fell_back = True
        self._fallbacks |= choice.acts
        self._notices |= choice.window_validators.notices
        self._to_review += [(verdict, choice.sent) for verdict in choice.window_validators.reviews.values()]

    def _sample(self, text: str, verdicts: Sequence[Verdict]) -> None:
        """Now and then a person looks at what passed."""
        rules = self._release.policy.reviews
        if random.random() * 100 < rules.audited:
            opening = self._opening(text, AUDIT, verdicts, None)
            self._review_sink.sample(replace(opening, drawn_by=AUDIT, probability=rules.audited / 100), rules)

    async def _opened(self, verdict: Verdict, text: str) -> str | None:
        """The id of a review that a verdict asked for. The answer has passed: one that is missed stands in the log."""
        opening = self._opening(text, verdict.review, (verdict,), None)
        try:
            return await self._review_sink.open(opening, self._release.policy.reviews)
        except ReviewNotKeptError:
            return None

    def _note(self, evaluation: Evaluation, text: str) -> None:
        for verdict in evaluation.verdicts:
            if verdict.ok and verdict.notice:
                self._notices[verdict.notice] = None
            if verdict.ok and verdict.review:
                self._to_review.append((verdict, text))

    async def _fall_back(
        self, choice: Choice, completion: Completion, failed: Sequence[Verdict], *, may_ask: bool = True
    ) -> None:
        """Try the rules in their order until one has an answer that may leave."""
        for use, rule in self._release.fallbacks:
            meant = [verdict for verdict in failed if _is_for(use, verdict)]
            if not meant:
                continue
            arguments = (self._context, completion, failed)
            try:
                substitute = await run_fallback(self._plugin_host, self._release, use, rule, arguments)
            except DidNotRunError:
                continue
            reason = f"{use.name} ({meant[0].validator}: {meant[0].reason})"
            if isinstance(substitute, AskAgain):
                failed, completion = await self._asked_again(choice, substitute, failed, completion, may_ask=may_ask)
                if failed:
                    continue
            elif not await self._put(choice, completion, substitute, meant):
                continue
            self._record.fell_back = True
            self._fallbacks[reason] = None
            log.info("%s fell back: %s", self._release.ref, use.name)
            return
        first = failed[0]
        raise UnvalidatedError(
            f"the answer of {self._release.ref} did not pass `{first.validator}`, and its policy has no fallback for"
            " that"
        )

    async def _put(
        self, choice: Choice, completion: Completion, substitute: Substitute | None, meant: Sequence[Verdict]
    ) -> bool:
        """Put a substitute into the choice; whether there was one."""
        kind = self._record.request.kind
        if isinstance(substitute, Fail):
            raise UnvalidatedError(substitute.message)
        if isinstance(substitute, Hold):
            reason = f"{meant[0].validator}: {meant[0].reason}"
            opening = self._opening(completion.text, reason, meant, substitute.content)
            try:
                self._reviews[await self._review_sink.open(opening, self._release.policy.reviews)] = None
            except ReviewNotKeptError:
                return False
            self._record.held = True
            answers.substitute(choice, Fallback(substitute.content), kind)
            return True
        if isinstance(substitute, Fallback):
            answers.substitute(choice, substitute, kind)
            return True
        return False

    async def _asked_again(
        self, choice: Choice, again: AskAgain, failed: Sequence[Verdict], completion: Completion, *, may_ask: bool
    ) -> tuple[Sequence[Verdict], Completion]:
        """Ask once more and put the new answer into the choice if it passes; else what failed of it."""
        if not may_ask or self._again >= _AGAIN:
            return failed, completion
        self._again += 1
        release = other_release(self._catalog.current, self._release, self._record.caller, again)
        if (release is None and again.release != BASE) or not await self._takes(release):
            return failed, completion
        request = payload.build_retry(self._record.request, release, self._release, again, self._record.caller.name)
        try:
            answer = answers.read(await self._send(release, request), self._record.request.kind)
        except (EngineRefusedError, EngineUnavailableError) as error:
            log.warning("asking again for %s failed: %s", self._release.ref, error)
            return failed, completion
        fresh = answer["choices"][0]
        self._record.hear(fresh)
        rest = await self._behind_windows(fresh, release or self._release)
        retried = answers.completion(fresh, self._record.request.kind)
        evaluation = await self._judged(fresh, rest, retried)
        foreign = release is not None and release.fallback_for is not None
        if evaluation.failed:  # What another domain's model said stays there.
            return (failed, completion) if foreign else (evaluation.failed, retried)
        if foreign:
            answers.drop_tokens(fresh)
        answers.replace_choice(choice, fresh)
        return (), retried

    async def _takes(self, release: LoadedRelease | None) -> bool:
        """Whether the input checks of a release let the request through; this one's have done so already."""
        if release is None or release is self._release or not release.inputs:
            return True
        context = RequestContext(
            release.ref, self._record.caller.name, payload.rendered_body(self._record.request, release)
        )
        return not (await evaluate_input(self._plugin_host, release, context)).failed

    def _opening(self, text: str, reason: str, verdicts: Sequence[Verdict], holding: str | None) -> ReviewRequest:
        told = [{key: said for key, said in asdict(each).items() if key != "spans" or said} for each in verdicts]
        drawn_by = LOW_CONFIDENCE if any(verdict.validator == _CONFIDENCE for verdict in verdicts) else CHECK
        caller, body = self._record.caller, self._record.request.body
        opening = ReviewRequest(self._release.ref, caller.name, body, text, reason, told, holding)
        return replace(opening, tenant_uid=caller.uid, drawn_by=drawn_by)


def _is_for(use: FallbackUse, verdict: Verdict) -> bool:
    if use.when is None:
        return verdict.validator != ENGINE_ERROR
    return verdict.validator in use.when or (verdict.outcome is Outcome.DID_NOT_RUN and DID_NOT_RUN in use.when)
