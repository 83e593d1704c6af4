"""Parses a client's request, and builds the engine's: the release's policy is applied here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from postil.gateway.errors import BadRequestError
from postil.gateway.inference import body_limits as shape
from postil.gateway.inference.cost_limits import CostLimits
from postil.gateway.inference.fields.check import asks_for_prompt_logprobs, check_fields, engine_fields
from postil.gateway.inference.fields.field import Guard
from postil.gateway.inference.fields.messages import has_media
from postil.gateway.inference.formats import FORMATS, Kind
from postil.gateway.inference.routing.release import LoadedRelease
from postil.plugins import AskAgain

# Of tenants and releases that are asked now.
_MOST_SALTS = 4096
OnHeld = Callable[[Mapping[str, str]], None]
_decoder = msgspec.json.Decoder()
# One meaning under several names: where a policy fixes one, the others must not undo it.
_ALIASES = {"max_tokens": ("max_tokens", "max_completion_tokens")}
# In what form a client wants the answer: where a policy restricts that, these are compared with it, and not sent on.
OTHER_OUTPUTS = frozenset({"structured_outputs", "response_format", "tools", "tool_choice"})


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One request as the gateway understands it. ``body`` is what the client sent, each field of it looked at.

    ``deadline`` is until when its client waits for its turn, by ``time.monotonic``, if it said so. ``release`` answers
    it whatever ``model`` says: only the gateway itself sets that, for copies to a shadow. ``size`` is that of the body
    in bytes, ``limits`` what it may cost: the gateway's own requests have none. ``on_held`` is told the headers that
    are known of an answer that leaves as a stream, but whole, when the engine begins to work on it.
    """

    kind: Kind
    body: Mapping[str, Any]
    model: str | None
    stream: bool
    include_usage: bool
    user: str | None = None
    deadline: float | None = None
    release: LoadedRelease | None = None
    size: int = 0
    limits: CostLimits | None = None
    on_held: OnHeld | None = None


def read_json(raw: bytes) -> dict[str, Any]:
    """Decode a body, an object within the bounds of bodies. Raises BadRequestError."""
    opened = shape.brackets(raw)
    try:
        body = _decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadRequestError(f"the body is not JSON: {error}", code="invalid_json") from None
    if not isinstance(body, dict):
        raise BadRequestError("the body has to be a JSON object")
    shape.check(body, opened)
    return body


def parse(
    kind: Kind,
    raw: bytes,
    limits: CostLimits | None = None,
    deadline: float | None = None,
    on_held: OnHeld | None = None,
) -> CompletionRequest:
    """Read a request body; every field is held against the table. Raises BadRequestError."""
    return from_fields(kind, read_json(raw), len(raw), limits, deadline, on_held)


def from_fields(
    kind: Kind,
    body: dict[str, Any],
    size: int,
    limits: CostLimits | None = None,
    deadline: float | None = None,
    on_held: OnHeld | None = None,
) -> CompletionRequest:
    """A request of these fields, from a body of that size; every field is held against the table.

    Raises BadRequestError.
    """
    body = check_fields(kind, body)
    include_usage = "stream_options" in body and body["stream_options"].get("include_usage") is True
    stream = body.get("stream") is True
    model, user = body.get("model"), body.get("user")
    return CompletionRequest(
        kind, body, model, stream, include_usage, user, deadline, size=size, limits=limits, on_held=on_held
    )


def counts_along(ask: CompletionRequest) -> bool:
    """Whether each event of a stream is to tell what was used up to there, as vLLM does where it is asked for that."""
    options = ask.body.get("stream_options") or {}
    return ask.include_usage and options.get("continuous_usage_stats") is True


def refuse_prompt_logprobs(ask: CompletionRequest) -> None:
    """Refuse what an engine without postil's plugin does not survive. Raises BadRequestError."""
    if asks_for_prompt_logprobs(ask.kind, ask.body):
        name = "prompt_logprobs" if "prompt_logprobs" in ask.body else "echo"
        raise BadRequestError(
            f"`{name}` asks for the probabilities of the prompt's tokens, which this engine does not give; omit it",
            param=name,
        )


def guard_of(release: LoadedRelease) -> Guard:
    """How far a release guards its answers: what its policy fixes or checks decides what fields may do."""
    if release.constraint is not None:
        return Guard.CONSTRAINT
    return Guard.POLICY if release.guarded else Guard.OPEN


def build_base_request(ask: CompletionRequest, tenant: str) -> dict[str, Any]:
    """The engine's request for the base: the client's own, under the tenant's cache salt. Raises BadRequestError."""
    payload = engine_fields(ask.kind, ask.body, Guard.OPEN, "base")
    payload["model"], payload["cache_salt"] = "base", cache_salt(tenant, "base")
    _bound_output(payload, ask, ())
    return payload


def build_engine_request(
    ask: CompletionRequest, release: LoadedRelease, tenant: str, *, lenient: bool = False
) -> dict[str, Any]:
    """The engine's request for a release: its weights, its prompt, its sampling, its constraint.

    Raises BadRequestError if the client asks for what the release does not give; where ``lenient``, that is left out.
    """
    guard, name = guard_of(release), str(release.ref)
    payload = engine_fields(ask.kind, ask.body, guard, name, lenient=lenient)
    if guard is not Guard.OPEN:
        _refuse_unseen(payload, release)
    payload["model"], payload["cache_salt"] = release.engine_name, cache_salt(tenant, name)
    _put_sampling(payload, release)
    _bound_output(payload, ask, release.policy.sampling)
    if release.policy.system_prompt:
        FORMATS[ask.kind].put_system_prompt(payload, release.policy.system_prompt)
    if release.constraint is not None:
        payload["structured_outputs"] = release.constraint
        _leave_room(payload, release)
    if release.validators or release.inputs:
        _put_streaming(payload, ask, release)
    if release.needs_tokens:
        FORMATS[ask.kind].request_tokens(payload)
    return payload


def must_buffer(ask: CompletionRequest, release: LoadedRelease) -> bool:
    """Whether an answer has to be whole before any of it can leave, given that somebody judges it.

    Only validators with a window act on a stream; and what tells of tokens tells of text that may not leave.
    """
    logprobs = ask.body.get("logprobs")  # 0 asks a text completion for those of its own tokens.
    return (
        not ask.stream
        or not (logprobs is None or logprobs is False)
        or release.needs_tokens
        or any(use.on_fail == "fallback" or validator.scope.window is None for use, validator in release.validators)
    )


def build_retry(
    ask: CompletionRequest, release: LoadedRelease | None, first: LoadedRelease, how: AskAgain, tenant: str
) -> dict[str, Any]:
    """The engine's request for another try: of one choice, by ``release``, or by the base under the first's policy."""
    # The client was answered by the first release's rules: another's do not refuse it now.
    payload = build_engine_request(ask, release or first, tenant, lenient=True)
    if release is None:
        payload |= {"model": "base", "cache_salt": cache_salt(tenant, "base")}
    payload |= {**how.sampling, "n": 1, "stream": False}
    payload.pop("stream_options", None)
    if how.instruction and isinstance(payload.get("messages"), list):
        payload["messages"] = _instructed(payload["messages"], how.instruction)
    return payload


def _instructed(messages: list[Any], instruction: str) -> list[Any]:
    """With one more instruction, in the system's message at the start: chat templates take none elsewhere."""
    first = messages[0] if messages else None
    if isinstance(first, dict) and first.get("role") == "system" and isinstance(first.get("content"), str):
        return [{**first, "content": f"{first['content']}\n{instruction}"}, *messages[1:]]
    return [{"role": "system", "content": instruction}, *messages]


@lru_cache(_MOST_SALTS)
def cache_salt(tenant: str, release: str) -> str:
    """Prefix caches are shared only inside one tenant and one release; a client's own salt never counts."""
    return hashlib.sha256(f"{tenant}\0{release}".encode()).hexdigest()


def _put_streaming(payload: dict[str, Any], ask: CompletionRequest, release: LoadedRelease) -> None:
    """Stream from the engine only if the client gets a stream: from what is judged whole, nothing can leave before."""
    payload["stream"] = not must_buffer(ask, release)
    payload.pop("stream_options", None)
    if payload["stream"] and ask.include_usage:
        # Where an answer is cut off, the client gets the count up to there: the last that the engine gives.
        payload["stream_options"] = {"include_usage": True, "continuous_usage_stats": True}


def _put_sampling(payload: dict[str, Any], release: LoadedRelease) -> None:
    policy = release.policy
    choices_per_prompt = payload.get("n", 1) > 1
    for key, value in policy.defaults.items():
        # To ask for several answers is to ask for sampling: a default of greedy decoding does not fit.
        if all(payload.get(alias) is None for alias in _ALIASES.get(key, (key,))) and not (
            choices_per_prompt and key == "temperature" and value == 0
        ):
            payload[key] = value
    for key, value in policy.sampling.items():
        for alias in _ALIASES.get(key, ()):
            payload.pop(alias, None)
        payload[key] = value


def _leave_room(payload: dict[str, Any], release: LoadedRelease) -> None:
    """A label is short, and the constraint ends it: no limit of a client's cuts it. A token has at least a byte."""
    choices = release.constraint.get("choice") if release.constraint else None
    if not choices or "max_tokens" in release.policy.sampling:
        return
    room = max(len(choice.encode()) for choice in choices) + 1
    limits = [payload[name] for name in _ALIASES["max_tokens"] if payload.get(name) is not None]
    # Without a limit, vLLM's text completions end after 16 tokens.
    if min(limits, default=0 if "prompt" in payload else room) < room:
        payload["max_tokens"] = room
        payload.pop("max_completion_tokens", None)


def _refuse_unseen(payload: Mapping[str, Any], release: LoadedRelease) -> None:
    """Refuse what a policy's checks could not read, or what its prompt has no place in. Raises BadRequestError."""
    messages = payload.get("messages")
    if messages is not None and has_media(messages):
        raise BadRequestError(f"no check of {release.ref} sees pictures or sound; send texts", param="messages")
    prompt = payload.get("prompt")
    if type(prompt) is list and type(prompt[0]) is not str and (release.inputs or release.policy.system_prompt):
        raise BadRequestError(f"the policy of {release.ref} needs texts, and prompt has token ids", param="prompt")


def _bound_output(payload: dict[str, Any], ask: CompletionRequest, fixed: Container[str]) -> None:
    """Refuse a client's longer answers, and put the bound in where the engine's default would be more.

    Engines stop at the end of their window, and text completions at 16 tokens. Raises BadRequestError.
    """
    limits, names = ask.limits, _ALIASES["max_tokens"]
    if limits is None or any(name in fixed for name in names):
        return
    most = limits.output_tokens
    given = [name for name in names if payload.get(name) is not None]
    for name in given:
        value = payload[name]
        if not isinstance(value, int | float) or value <= most:  # A policy's default may be anything.
            continue
        if ask.body.get(name) is not None:
            raise BadRequestError(f"{name} is {value}, and an answer may have {most} tokens; ask for less", param=name)
        payload[name] = most  # The policy's default is for those who may have as much.
    if not given and ask.kind is Kind.CHAT and limits.window is not None and limits.window > most:
        payload["max_tokens"] = most


def rendered_body(ask: CompletionRequest, release: LoadedRelease) -> Mapping[str, Any]:
    """What of a client's body the model may see: of schemas and tools nothing, where they are not sent on."""
    body = ask.body
    if release.constraint is None or OTHER_OUTPUTS.isdisjoint(body):
        return body
    return {name: value for name, value in body.items() if name not in OTHER_OUTPUTS}


def probe_base() -> dict[str, Any]:
    """A request for one token, whatever it is: no grammar is compiled for it, so that it waits for nobody's."""
    return {"model": "base", "messages": [{"role": "user", "content": "Yes or no?"}], "max_tokens": 1}


def warm_up_base() -> dict[str, Any]:
    """A request that makes the engine go through prefill and decoding once."""
    return {**probe_base(), "max_tokens": 8, "logprobs": True}


def warm_up(release: LoadedRelease) -> dict[str, Any]:
    """A request to a release as a client's would be, a short one. A schema is left out: it may take long to compile."""
    body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
    ask = CompletionRequest(Kind.CHAT, body, None, False, False)
    payload = build_engine_request(ask, release, "postil-warm-up")
    if "choice" not in (release.constraint or {}):
        payload.pop("structured_outputs", None)
    return payload
