"""Asks the engine for the label that a begun answer ends with, mostly in one step of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postil.gateway.inference import responses as answers
from postil.gateway.inference.engine_call import EngineCall
from postil.gateway.inference.formats import Kind
from postil.gateway.inference.label_prefill import LabelPrefix
from postil.gateway.inference.routing.release import LoadedRelease


async def answer_of(
    access: EngineCall, release: LoadedRelease, request: Mapping[str, Any], kind: Kind, prefix: LabelPrefix | None
) -> dict[str, Any]:
    """The whole answer to a request, begun with ``prefix`` where there is one. Raises as EngineCall.post does.

    ``usage`` counts the tokens that were generated; what the gateway wrote is not among them.
    """
    if prefix is None:
        return answers.read(await access.post(release, request), kind)
    answer = answers.read(await access.post(release, prefix.begin(request)), kind)
    for choice in answer["choices"]:
        said = choice["message"].get("content") or ""
        if choice.get("finish_reason") == "length" and len(prefix.possible(said)) > 1:
            left = prefix.after(said)
            more = answers.read(await access.post(release, {**left.begin(request), "n": 1}, retry=True), kind)
            _add(answer, choice, more)
        prefix.complete(choice)
    return answer


def _add(answer: dict[str, Any], choice: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Put what the model said next behind what it said before, and count its tokens."""
    said, rest = choice["message"].get("content") or "", more["choices"][0]
    tokens = (choice.get("logprobs") or {}).get("content")
    choice["message"]["content"] = said + (rest["message"].get("content") or "")
    choice["finish_reason"] = rest.get("finish_reason")
    if tokens:
        tokens.extend((rest.get("logprobs") or {}).get("content") or ())
    used, again = answer.get("usage"), more.get("usage")
    if isinstance(used, dict) and isinstance(again, dict):
        for count in ("completion_tokens", "total_tokens"):
            used[count] = used.get(count, 0) + again.get("completion_tokens", 0)
