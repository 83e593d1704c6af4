"""Validators judge, policy decides: from a completion to what may leave."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from postil.gateway.catalog import Servable
from postil.gateway.errors import UnvalidatedError
from postil.plugins import Completion, Exchange, Fallback, Outcome, Validator, Verdict
from postil.registry.policy import ValidatorUse

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdicts in the policy's order, and the fallback to serve, or None if the completion may leave."""

    verdicts: Sequence[Verdict]
    fallback: Fallback | None
    reason: str


def judge(release: Servable, exchange: Exchange, completion: Completion) -> Judgement:
    """Ask every validator of the release. Raises UnvalidatedError if one fails and no fallback answers for it."""
    verdicts = [_verdict(use, validator, exchange, completion) for use, validator in release.validators]
    failed = [
        verdict
        for verdict, (use, _) in zip(verdicts, release.validators, strict=True)
        if not _lets_pass(use, verdict)
    ]
    if not failed:
        return Judgement(verdicts, None, "")
    fallback, named = _fallback(release, exchange, completion, failed)
    return Judgement(verdicts, fallback, f"{named.validator}: {named.reason}")


def _verdict(use: ValidatorUse, validator: Validator, exchange: Exchange, completion: Completion) -> Verdict:
    """A validator that raises, or returns anything else than a verdict, did not run."""
    try:
        verdict: object = validator.judge(exchange, completion)
    except Exception as error:
        # Only the type: the text of an error may quote the answer, and logs carry none.
        log.warning("validator %s of %s raised %s", use.name, exchange.release, type(error).__name__)
        return _did_not_run(validator, f"raised {type(error).__name__}")
    if not isinstance(verdict, Verdict):
        log.warning("validator %s of %s returned no verdict", use.name, exchange.release)
        return _did_not_run(validator, f"returned {type(verdict).__name__}, not a Verdict")
    return replace(verdict, validator=use.name, version=validator.version)


def _did_not_run(validator: Validator, why: str) -> Verdict:
    return Verdict(Outcome.DID_NOT_RUN, f"did not run, {why}", (), validator.name, validator.version)


def _lets_pass(use: ValidatorUse, verdict: Verdict) -> bool:
    return verdict.ok or (verdict.outcome is Outcome.DID_NOT_RUN and use.if_not_run == "pass")


def _fallback(
    release: Servable, exchange: Exchange, completion: Completion, failed: Sequence[Verdict]
) -> tuple[Fallback, Verdict]:
    """The first rule that has an answer, and the first verdict that it answers for."""
    for use, rule in release.fallbacks:
        meant = [verdict for verdict in failed if use.when is None or verdict.validator in use.when]
        if not meant:
            continue
        try:
            answer = rule.answer(exchange, completion, meant)
        except Exception as error:
            log.warning("fallback rule %s of %s raised %s", use.name, exchange.release, type(error).__name__)
            continue
        if isinstance(answer, Fallback):
            return answer, meant[0]
    raise UnvalidatedError(
        f"the answer of {release.ref} did not pass `{failed[0].validator}`, and its policy has no fallback for that"
    )
