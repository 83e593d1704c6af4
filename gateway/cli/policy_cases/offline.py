"""Runs cases against a policy without a model: the gateway's own enforcer, over the answers that the cases give."""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from postil.gateway.cli.policy_cases.cases import ANSWER, FALLBACK, REFUSED, Case, Seen
from postil.gateway.errors import BadRequestError, EngineUnavailableError, UnvalidatedError
from postil.gateway.inference.formats import Kind
from postil.gateway.inference.guardrails.enforcer import Enforcer
from postil.gateway.inference.guardrails.evaluate import evaluate_input, evaluate_output
from postil.gateway.inference.record import RequestRecord
from postil.gateway.inference.request import parse
from postil.gateway.inference.responses import completion
from postil.gateway.inference.routing.catalog import Route
from postil.gateway.inference.routing.catalog_holder import CatalogHolder
from postil.gateway.inference.routing.release import LoadedRelease, ReleaseSpec, load_release
from postil.gateway.plugin_host.host import PluginHost
from postil.gateway.tenancy.directory import Caller
from postil.plugins import RequestContext, Verdict
from postil.plugins.manager import PluginManager
from postil.registry.policy.policy import Policy, ReviewRules
from postil.registry.releases.channels import STABLE
from postil.registry.reviews.reviews import ReviewRequest

# No tenant and no release is called so.
_TENANT, _DOMAIN = "policy-test", "policy-test"
_FIELD = "category"
# As the header x-postil-fallback says it: ``rule (validator: reason)``.
_FELL_BACK = re.compile(r"(?:^|; )([\w.-]+) \(([\w.-]+): ")


def fallbacks_in(header: str) -> tuple[list[str], list[str]]:
    """Return the rules and the validators that the header ``x-postil-fallback`` names."""
    found = _FELL_BACK.findall(header)
    return [rule for rule, _ in found], [validator for _, validator in found]


def field_of(policy: Policy) -> str:
    """Return the key that holds the label in a policy's answers."""
    return policy.output.field if policy.output is not None else _FIELD


def release_of(policy: Policy, plugins: PluginManager) -> LoadedRelease:
    """Load a policy as if it were a release's. Raises PolicyError."""
    stored = policy.model_dump(mode="json", exclude_defaults=True)
    return load_release(ReleaseSpec(_DOMAIN, "policy", 1, "sha256:" + "0" * 64, stored, policy.digest(), {}), plugins)


async def run_offline(policy: Policy, cases: Sequence[Case], plugins: PluginManager) -> list[Seen | None]:
    """Return what comes of each case; None for one that needs a model. Raises PolicyError or BadRequestError."""
    release = release_of(policy, plugins)
    with tempfile.TemporaryDirectory(prefix="postil-policy-") as logs:
        host = PluginHost(plugins, Path(logs))
        try:
            return [await _run(case, release, host) for case in cases]
        finally:
            await host.stop()


async def _run(case: Case, release: LoadedRelease, host: PluginHost) -> Seen | None:
    request = parse(Kind.CHAT, json.dumps(case.body).encode())
    caller = Caller(_TENANT, frozenset({_DOMAIN}), _DOMAIN)
    record = RequestRecord.start(Route(release, STABLE), caller, request)
    engine = _GivenAnswers(case, release)
    enforcer = Enforcer(record, engine.send, plugin_host=host, catalog=CatalogHolder(), reviews=_NoReviews())
    context = RequestContext(release.ref, caller.name, request.body)
    verdicts = list((await evaluate_input(host, release, context)).verdicts)
    answer = engine.first()
    try:
        choice = await enforcer.check_input()
        if choice is None:
            if answer is None:
                return None
            choice = answer
            verdicts += (await evaluate_output(host, release, context, completion(choice, Kind.CHAT))).verdicts
            await enforcer.enforce(choice)
    except (BadRequestError, UnvalidatedError) as error:
        return Seen(outcome=REFUSED, reason=str(error), validators=_by_name(verdicts))
    header = (await enforcer.headers()).get("x-postil-fallback", "")
    return Seen(
        outcome=FALLBACK if header else ANSWER,
        content=str(choice["message"].get("content") or ""),
        reason=header,
        fallbacks=fallbacks_in(header)[0],
        validators=_by_name(verdicts),
    )


def _by_name(verdicts: Sequence[Verdict]) -> dict[str, str]:
    return {verdict.validator: verdict.outcome.value for verdict in verdicts}


class _GivenAnswers:
    """Stands where the engine is: has the answers that a case gives."""

    def __init__(self, case: Case, release: LoadedRelease) -> None:
        self._case = case
        self._answer = case.answered(field_of(release.policy))
        self._retries = iter(case.retries)

    def first(self) -> dict[str, Any] | None:
        """Return the model's first answer as a choice, if the case gives one."""
        return None if self._answer is None else self._choice(self._answer)

    async def send(self, release: LoadedRelease | None, request: Mapping[str, Any]) -> bytes:
        """Answer a retry. Raises EngineUnavailableError where the case has no more answers."""
        answer = next(self._retries, None)
        if answer is None:
            raise EngineUnavailableError("the case gives no answer for this retry; add one under `retries`")
        return json.dumps({"choices": [self._choice(answer)]}).encode()

    def _choice(self, answer: str) -> dict[str, Any]:
        tokens = [{"token": answer, "logprob": math.log(self._case.probability)}]
        return {
            "index": 0,
            "message": {"role": "assistant", "content": answer},
            "logprobs": {"content": tokens},
            "finish_reason": self._case.finish_reason,
        }


class _NoReviews:
    """Takes reviews and keeps none."""

    async def open(self, opening: ReviewRequest, rules: ReviewRules) -> str:
        """Return the id of a review that is not kept."""
        return "policy-test"

    def sample(self, opening: ReviewRequest, rules: ReviewRules) -> None:
        """Keep nothing."""
