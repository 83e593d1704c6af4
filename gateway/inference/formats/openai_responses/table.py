"""The fields of a request to ``/v1/responses``, and what is done with each."""

from __future__ import annotations

from collections.abc import Mapping

from postil.gateway.inference import field_types as t
from postil.gateway.inference.formats.other_fields import Handling, OtherField

PATH = "/v1/responses"
REQUIRED = ("input",)
# Only what is looked for elsewhere or is secret is named there; nothing of it is here, but for this.
LOGPROBS = "message.output_text.logprobs"
_H, _I, _R = Handling.HONOURED, Handling.IGNORED, Handling.REFUSED
_EFFORT = t.one_of("none", "minimal", "low", "medium", "high", "xhigh", "max")
_NAME = t.text(256)
_REASONING = t.record({"effort": _EFFORT, "summary": _NAME, "generate_summary": _NAME, "context": _NAME, "mode": _NAME})
_STATELESS = "nothing is stored here; send the whole conversation as `input`"
_CHATS = "passed on as a chat's, whose table knows its type and bounds"

FIELDS: Mapping[str, OtherField] = {
    "model": OtherField(t.text(512), _H, "routes the request, as a chat's", in_chat=True),
    "input": OtherField(t.either(t.text(2**24), t.many(t.OBJECT, 2048, 1)), _H, "see below"),
    "instructions": OtherField(t.text(2**24), _H, "the first message of the system"),
    "stream": OtherField(t.BOOLEAN, _H, in_chat=True),
    "stream_options": OtherField(t.record({"include_obfuscation": t.BOOLEAN}), _I, "nothing is obfuscated"),
    "max_output_tokens": OtherField(t.whole(1, t.LARGEST_INT32), _H, "`max_tokens` of a chat"),
    "temperature": OtherField(t.number(0, 2), _H, in_chat=True),
    "top_p": OtherField(t.number(0, 1, above=True), _H, in_chat=True),
    "text": OtherField(
        t.record({"format": t.OBJECT, "verbosity": t.text(64)}),
        _H,
        "`format` is a chat's `response_format`: text, json_object or json_schema; `verbosity` is ignored",
    ),
    "tools": OtherField(t.many(t.OBJECT, 128), _H, "functions; hosted and custom tools are refused"),
    "tool_choice": OtherField(
        t.either(t.one_of("none", "auto", "required"), t.OBJECT), _H, "a mode, or a function by its name"
    ),
    "parallel_tool_calls": OtherField(t.BOOLEAN, _H, in_chat=True),
    "reasoning": OtherField(_REASONING, _H, "`effort` is a chat's `reasoning_effort`; the rest is ignored"),
    "user": OtherField(t.text(4096), _H, "keeps a user on one side of a canary"),
    "safety_identifier": OtherField(t.text(4096), _H, "as `user`, where that is not sent"),
    "metadata": OtherField(t.mapping(t.text(512), 16, t.text(64, 1)), _H, "comes back with the response"),
    "include": OtherField(
        t.many(t.text(128), 32), _H, f"there is nothing to add: ignored, but `{LOGPROBS}` is refused"
    ),
    "store": OtherField(t.BOOLEAN, _I, "taken as false: nothing is stored"),
    "truncation": OtherField(t.one_of("auto", "disabled"), _I, "nothing is cut; what is too long is refused"),
    "max_tool_calls": OtherField(t.whole(0, t.LARGEST_INT32), _I, "it is of hosted tools, and there are none"),
    "service_tier": OtherField(t.text(64), _I, "there is one"),
    "prompt_cache_key": OtherField(t.text(4096), _I, "prompts are cached for each tenant and release"),
    "prompt_cache_retention": OtherField(t.text(64), _I, "as `prompt_cache_key`"),
    "prompt_cache_options": OtherField(t.OBJECT, _I, "as `prompt_cache_key`"),
    "moderation": OtherField(t.OBJECT, _I, "policies check"),
    "access_programs": OtherField(t.OBJECT, _I),
    "image": OtherField(t.OBJECT, _I, "no image is made"),
    "background_options": OtherField(t.OBJECT, _I, "nothing runs in the background"),
    "previous_response_id": OtherField(t.ANYTHING, _R, _STATELESS),
    "conversation": OtherField(t.ANYTHING, _R, _STATELESS),
    "prompt": OtherField(t.ANYTHING, _R, "no prompts are stored here; send `instructions` and `input`"),
    "background": OtherField(t.ANYTHING, _R, "answers are not kept; wait for this one, or stream it", (False,)),
    "context_management": OtherField(t.ANYTHING, _R, "nothing is compacted; shorten the input", ([],)),
    "top_logprobs": OtherField(t.ANYTHING, _R, "ask /v1/chat/completions for log-probabilities", (0,)),
    **{
        name: OtherField(t.ANYTHING, _H, _CHATS, in_chat=True)
        for name in (
            "top_k", "min_p", "seed", "stop", "stop_token_ids", "presence_penalty", "frequency_penalty",
            "repetition_penalty", "logit_bias", "structured_outputs", "chat_template_kwargs",
        )
    },
}  # fmt: skip
# What a chat calls otherwise, for errors.
RENAMED: Mapping[str, str] = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
}
