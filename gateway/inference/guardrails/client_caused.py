"""Tells which failures a client's own parameters cause: they say nothing about the release that answered.

Only what certainly changes the answer counts. A failure for any other reason, such as an absurd text, is weighed by
tenant where releases are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postil.gateway.inference.request import CompletionRequest
from postil.gateway.inference.routing.release import LoadedRelease

# With one of these the words are not the model's own choice.
_FORCING = ("allowed_token_ids", "bad_words", "logit_bias", "min_tokens", "ignore_eos", "echo")
_LENGTHS = ("max_tokens", "max_completion_tokens")
_STOPS = ("stop", "stop_token_ids")


def is_client_caused(request: CompletionRequest, release: LoadedRelease, choice: Mapping[str, Any] | None) -> bool:
    """Whether an answer that failed was cut or forced by a parameter that its client sent and no policy replaced.

    ``choice`` is the engine's choice; None if it is not known, as in a stream.
    """
    fixed = release.policy.sampling
    body = {key: value for key, value in request.body.items() if value and key not in fixed}
    if any(key in body for key in _FORCING):
        return True
    if choice is None:
        return False
    if choice.get("finish_reason") == "length":
        return any(key in body for key in _LENGTHS) and _LENGTHS[0] not in fixed
    return choice.get("stop_reason") is not None and choice["stop_reason"] in _stops(body)


def _stops(body: Mapping[str, Any]) -> list[Any]:
    found: list[Any] = []
    for key in _STOPS:
        value = body.get(key)
        found += value if isinstance(value, list) else [value]
    return [each for each in found if each is not None]
