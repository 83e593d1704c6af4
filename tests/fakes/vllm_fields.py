"""What vLLM 0.32 refuses of a request's fields, as its models and sampling parameters do; for the fake engine.

What vLLM does not refuse and fails on is a 500 here too. Fields that it does not know it ignores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Json = Mapping[str, Any]
Refusal = tuple[int, str]
MOST_SEQUENCES, MOST_PROMPTS, MOST_STOPS, MOST_LOGPROBS = 16384, 1024, 4, 20
_WHOLE = (
    "n", "max_tokens", "max_completion_tokens", "min_tokens", "top_k", "seed", "prompt_logprobs", "top_logprobs",
    "truncate_prompt_tokens", "priority", "stream_interval", "thinking_token_budget",
)  # fmt: skip
_BOOLEANS = ("stream", "echo", "ignore_eos", "add_generation_prompt", "continue_final_message", "use_beam_search")
_RANGES: Mapping[str, Callable[[Any], bool]] = {
    "n": lambda value: 1 <= value <= MOST_SEQUENCES,
    "temperature": lambda value: 0 <= value <= 2,
    "top_p": lambda value: 0 < value <= 1,
    "min_p": lambda value: 0 <= value <= 1,
    "presence_penalty": lambda value: -2 <= value <= 2,
    "frequency_penalty": lambda value: -2 <= value <= 2,
    "repetition_penalty": lambda value: value > 0,
    "top_k": lambda value: value >= -1,
    "min_tokens": lambda value: value >= 0,
    "prompt_logprobs": lambda value: 0 <= value <= MOST_LOGPROBS,
    "top_logprobs": lambda value: 0 <= value <= MOST_LOGPROBS,
    "seed": lambda value: -(2**63) <= value < 2**63,
    "priority": lambda value: value == 0,
    "stream_interval": lambda value: value >= 1,
}


def refusal_of(body: Json, *, chat: bool) -> Refusal | None:
    """The status and message with which vLLM refuses a request, or None."""
    for look in (_types, _ranges, _prompts if not chat else _messages, _together, _structured):
        if (message := look(body)) is not None:
            return 400, message
    if body.get("n", 1) is None and not chat:
        return 400, "n: Input should be a valid integer"
    if not chat and body.get("max_tokens") == 0 and body.get("echo"):
        return None
    if body.get("max_tokens") is not None and body["max_tokens"] < 1:
        return 400, f"max_tokens must be at least 1, got {body['max_tokens']}."
    return _too_large(body)


def _types(body: Json) -> str | None:
    for name in _WHOLE:
        if body.get(name) is not None and type(body[name]) is not int:
            return f"{name}: Input should be a valid integer"
    for name in _BOOLEANS:
        if body.get(name) is not None and type(body[name]) is not bool:
            return f"{name}: Input should be a valid boolean"
    return None


def _ranges(body: Json) -> str | None:
    for name, holds in _RANGES.items():
        value = body.get(name)
        if value is not None and (type(value) not in (int, float) or not holds(value)):
            return f"{name}: out of range, got {value!r:.80}."
    return None


def _messages(body: Json) -> str | None:
    messages = body.get("messages")
    if not isinstance(messages, list) or not all(isinstance(one, dict) and "role" in one for one in messages):
        return "messages: Input should be a valid list"
    if type(body.get("logprobs", False)) not in (bool, type(None)):
        return "logprobs: Input should be a valid boolean"
    if body.get("top_logprobs") and not body.get("logprobs"):
        return "when using `top_logprobs`, `logprobs` must be set to true."
    if body.get("tools") == []:
        return "`tools` must not be an empty array."
    if body.get("tool_choice") not in (None, "none") and not body.get("tools"):
        return "When using `tool_choice`, `tools` must be set."
    return (
        "Chat template is passed with request, but --trust-request-chat-template is not set."
        if body.get("chat_template")
        else None
    )


def _prompts(body: Json) -> str | None:
    prompt = body.get("prompt")
    if prompt in (None, "") or not isinstance(prompt, str | list):
        return "Either prompt or prompt_embeds must be provided and non-empty."
    if isinstance(prompt, list) and len(prompt) > MOST_PROMPTS and not isinstance(prompt[0], int):
        return f"prompt list length {len(prompt)} exceeds the maximum allowed count of {MOST_PROMPTS}."
    logprobs = body.get("logprobs")
    if logprobs is not None and (type(logprobs) is not int or not 0 <= logprobs <= MOST_LOGPROBS):
        return f"Requested sample logprobs of {logprobs}, which is greater than max allowed: {MOST_LOGPROBS}"
    return "suffix is not currently supported" if body.get("suffix") else None


def _together(body: Json) -> str | None:
    stop = body.get("stop") or []
    if isinstance(stop, list) and (len(stop) > MOST_STOPS or "" in stop):
        return f"stop: List should have at most {MOST_STOPS} items, none empty"
    if body.get("stream_options") and not body.get("stream"):
        return "Stream options can only be defined when `stream=True`."
    if body.get("continue_final_message") and body.get("add_generation_prompt"):
        return "Cannot set both `continue_final_message` and `add_generation_prompt` to True."
    if body.get("temperature") == 0 and (body.get("n") or 1) > 1:
        return f"n must be 1 when using greedy sampling, got {body['n']}."
    if body.get("max_tokens") is not None and (body.get("min_tokens") or 0) > body["max_tokens"]:
        return f"min_tokens must be less than or equal to max_tokens={body['max_tokens']}."
    return None


def _structured(body: Json) -> str | None:
    asked = body.get("structured_outputs")
    if asked is None:
        return None
    kinds = ("json", "regex", "choice", "grammar", "json_object", "structural_tag")
    if not isinstance(asked, dict) or sum(asked.get(kind) is not None for kind in kinds) != 1:
        return "You must use one kind of structured outputs constraint"
    return None


def _too_large(body: Json) -> Refusal | None:
    """Integers that vLLM's own transport cannot carry: it fails on them."""
    beside = body.get("repetition_detection")
    nested = list(beside.values()) if isinstance(beside, dict) else []
    for value in (body.get("top_k"), body.get("thinking_token_budget"), body.get("max_tokens"), *nested):
        if type(value) is int and value >= 2**63:
            return 500, "Integer value out of range"
    return None
