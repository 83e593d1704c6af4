"""Runs cases against a release of a running gateway, whose model answers them."""

from __future__ import annotations

import re

import httpx

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.policy_cases.cases import ANSWER, FALLBACK, REFUSED, Case, Seen
from postil.gateway.cli.policy_cases.offline import fallbacks_in
from postil.gateway.errors import BadRequestError, UnvalidatedError

_REFUSALS = (BadRequestError.status, UnvalidatedError.status)
_NOT_PASSED = re.compile(r"did not pass `([^`]+)`")


def run_online(client: httpx.Client, release: str, case: Case) -> Seen:
    """Ask a release, and return what came of it. Raises CommandError where the gateway did not answer the case."""
    response = client.post("/v1/chat/completions", json={**case.body, "model": release})
    if response.status_code in _REFUSALS:
        said = _error(response)
        return Seen(
            outcome=REFUSED,
            reason=said,
            validators=dict.fromkeys(_NOT_PASSED.findall(said), "failed"),
            complete=False,
        )
    if not response.is_success:
        raise CommandError(f"{release} did not answer {case.name or case.text!r}: {_error(response)}")
    answered_by = response.headers.get("x-postil-release", "")
    if answered_by != release:
        raise CommandError(
            f"{answered_by or 'something else'} answered in place of {release}; ask a gateway of postil's"
        )
    header = response.headers.get("x-postil-fallback", "")
    rules, failed = fallbacks_in(header)
    return Seen(
        outcome=FALLBACK if header else ANSWER,
        content=str(response.json()["choices"][0]["message"].get("content") or ""),
        reason=header,
        fallbacks=rules,
        validators=dict.fromkeys(failed, "failed"),
        complete=False,
    )


def _error(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{response.url} answered {response.status_code}"
