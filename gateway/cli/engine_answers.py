"""Asks a running gateway labelled rows, a few at a time, and reads label and probability off the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from postil.gateway.cli.api_client import CommandError
from postil.gateway.errors import BadRequestError, UnvalidatedError
from postil.plugins.builtin.confidence import label_probability
from postil.plugins.types import Completion, Token

if TYPE_CHECKING:
    from postil.registry.policy.policy import Policy
    from postil.registry.training.agreement import Served
    from postil.registry.training.dataset import Example

# What a check of a policy refuses, or no fallback replaces.
_REFUSALS = (BadRequestError.status, UnvalidatedError.status)
_TOO_MANY = 429
BASE = "base"


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks rows with a client; ``at_once`` of them at a time, and ``told`` after each answer."""

    client: httpx.Client
    field: str
    at_once: int
    told: Callable[[int], None]

    def release(self, name: str, examples: Sequence[Example], *, probabilities: bool) -> list[Served]:
        """Return what ``name`` answers, as any client gets it; the engine says probabilities only when asked.

        Raises CommandError where the gateway does not answer.
        """
        more = {"temperature": 0} | ({"logprobs": True} if probabilities else {})
        return self._all([{"model": name, "messages": _turns(example), **more} for example in examples])

    def base(self, policy: Policy, examples: Sequence[Example]) -> list[Served]:
        """Return what the base answers under a policy's prompt and among its labels. Raises CommandError."""
        prompt = [{"role": "system", "content": policy.system_prompt}] if policy.system_prompt else []
        sampling = {**policy.defaults, "temperature": 0, **policy.sampling}
        more: dict[str, Any] = {**sampling, "model": BASE, "logprobs": True, **_form(policy)}
        return self._all([{**more, "messages": [*prompt, *_turns(example)]} for example in examples])

    def _all(self, bodies: Sequence[Mapping[str, Any]]) -> list[Served]:
        pool = ThreadPoolExecutor(self.at_once)
        try:
            return list(pool.map(self._one, bodies))
        finally:
            # The first error ends it all: nobody waits for requests that were not sent yet.
            pool.shutdown(cancel_futures=True)

    def _one(self, body: Mapping[str, Any]) -> Served:
        from postil.registry.training.agreement import Served

        response = self.client.post("/v1/chat/completions", json=dict(body))
        self.told(1)
        if response.status_code in _REFUSALS and body["model"] != BASE:
            return Served(None, reason=_error(response))
        _check_answer(response, body["model"])
        if held_back := response.headers.get("x-postil-fallback"):
            return Served(None, reason=held_back)
        completion = _completion(response)
        return Served(_label(completion.text, self.field), label_probability(completion, self.field))


def _turns(example: Example) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, text in (*example.history, ("user", example.message))]


def _form(policy: Policy) -> dict[str, Any]:
    """The constraint of the release's answers, in a form that takes no right of its own."""
    if policy.output is None:
        return {}
    if policy.output.labels is not None:
        return {"structured_outputs": policy.output.constraint()}
    return {"structured_outputs": {"json": policy.output.json_schema}}


def _label(text: str, field: str) -> str:
    """Return the label of an answer, or the text where it has none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    value = found.get(field) if isinstance(found, dict) else None
    return value if isinstance(value, str) else text


def _check_answer(response: httpx.Response, model: str) -> None:
    """Check that ``model`` answered. Raises CommandError with the gateway's own message."""
    if response.status_code == _TOO_MANY:
        raise CommandError(f"the gateway refuses so many requests: {_error(response)}; give a smaller --at-once")
    if not response.is_success:
        raise CommandError(f"the gateway does not answer for {model}: {_error(response)}")
    answered_by = response.headers.get("x-postil-release", "")
    if answered_by != model:
        raise CommandError(f"{answered_by or 'something else'} answered in place of {model}; ask a gateway of postil's")


def _completion(response: httpx.Response) -> Completion:
    """Return the only choice of an answer with its tokens. Raises CommandError."""
    try:
        choice = response.json()["choices"][0]
        told = (choice.get("logprobs") or {}).get("content") or ()
        tokens = [Token(str(one["token"]), float(one["logprob"])) for one in told]
        return Completion(str(choice["message"].get("content") or ""), "stop", tokens)
    except (ValueError, KeyError, TypeError, LookupError, AttributeError) as error:
        raise CommandError(f"{response.url} does not answer as a postil gateway does; see POSTIL_URL") from error


def _error(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{response.url} answered {response.status_code}"
