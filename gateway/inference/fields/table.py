"""The table: every field that a request may have, or that vLLM 0.32 or OpenAI know. What is not in it is refused.

The columns are what is done with a field at the base or a release without a policy, under a policy, and where the
policy restricts the output. What a policy fixes no field undoes: what would is refused there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from postil.gateway.inference import field_types as t
from postil.gateway.inference.fields.field import Field, Origin, Use
from postil.gateway.inference.formats import Kind

_P, _I, _R, _C = Use.PASSED, Use.IGNORED, Use.REFUSED, Use.COMPARED
EVERYWHERE = (_P, _P, _P)
UNLESS_CONSTRAINED = (_P, _P, _R)
OR_COMPARED = (_P, _P, _C)
ONLY_OPEN = (_P, _R, _R)
DROPPED = (_I, _I, _I)
NEVER = (_R, _R, _R)
_OPENAI = Origin.OPENAI
_TOKEN_ID = t.whole(0, t.LARGEST_INT32)
_OFF = (False,)
_STOP = t.text(256, 1)

_PROMPT_TEXT = t.text(2**24, 1)
_IDS = t.many_whole(0, t.LARGEST_INT32, 2**20, 1)
_PROMPT = t.either(_PROMPT_TEXT, t.many(_PROMPT_TEXT, 2048, 1), _IDS, t.many(_IDS, 2048, 1))
_STRUCTURED = t.record(
    {
        "json": t.either(t.OBJECT, t.text(65536, 1)),
        "regex": t.text(16384, 1),
        "choice": t.many(t.text(4096), 65536),
        "grammar": t.text(65536, 1),
        "json_object": t.BOOLEAN,
        "structural_tag": t.text(65536, 1),
        "disable_any_whitespace": t.BOOLEAN,
        "disable_additional_properties": t.BOOLEAN,
        "whitespace_pattern": t.text(256),
    }
)
_FORMAT = t.FieldType(
    "an object whose `type` is text, json_object, json_schema or structural_tag",
    lambda value: (
        type(value) is dict
        and value.get("type") in ("text", "json_object", "json_schema", "structural_tag")
        and type(value.get("json_schema", {})) is dict
    ),
    {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"enum": ["text", "json_object", "json_schema", "structural_tag"]},
            "json_schema": {"type": "object"},
        },
    },
)
_STREAM_OPTIONS = t.record(
    {"include_usage": t.BOOLEAN, "continuous_usage_stats": t.BOOLEAN, "include_obfuscation": t.BOOLEAN}
)

# What the gateway reads, and sampling.
_COMMON: Mapping[str, Field] = {
    "model": Field(t.text(512), DROPPED, _OPENAI, note="routes the request; the engine gets its own name for it"),
    "stream": Field(t.BOOLEAN, EVERYWHERE, _OPENAI),
    "stream_options": Field(_STREAM_OPTIONS, EVERYWHERE, _OPENAI, note="ignored without `stream`"),
    "user": Field(t.text(4096), DROPPED, _OPENAI, note="keeps a user on one side of a canary"),
    "max_tokens": Field(t.whole(0, t.LARGEST_INT32), EVERYWHERE, _OPENAI, note="a label is never cut by it"),
    "n": Field(t.whole(1, 16384), EVERYWHERE, _OPENAI, note="times prompts: within the tenant's limit"),
    "temperature": Field(t.number(0, 2), EVERYWHERE, _OPENAI),
    "top_p": Field(t.number(0, 1, above=True), EVERYWHERE, _OPENAI),
    "presence_penalty": Field(t.number(-2, 2), EVERYWHERE, _OPENAI),
    "frequency_penalty": Field(t.number(-2, 2), EVERYWHERE, _OPENAI),
    "seed": Field(t.whole(t.SMALLEST_INT64, t.LARGEST_INT64), EVERYWHERE, _OPENAI),
    "stop": Field(
        t.either(_STOP, t.many(_STOP, 4)), UNLESS_CONSTRAINED, _OPENAI, neutral=([],), note="it would cut a label"
    ),
    "logit_bias": Field(
        t.mapping(t.number(-100, 100), 1024, t.token_id_key()), UNLESS_CONSTRAINED, _OPENAI, neutral=({},)
    ),
    "response_format": Field(_FORMAT, OR_COMPARED, _OPENAI, note="where output is restricted: what admits it"),
    "top_k": Field(t.whole(-1, t.LARGEST_INT32), EVERYWHERE),
    "min_p": Field(t.number(0, 1), EVERYWHERE),
    "repetition_penalty": Field(t.number(0.01, 10), EVERYWHERE),
    "min_tokens": Field(t.whole(0, t.LARGEST_INT32), ONLY_OPEN, neutral=(0,)),
    "stop_token_ids": Field(t.many(_TOKEN_ID, 64), UNLESS_CONSTRAINED, neutral=([],)),
    "bad_words": Field(t.many(t.text(64, 1), 64), UNLESS_CONSTRAINED, neutral=([],)),
    "allowed_token_ids": Field(t.many(_TOKEN_ID, 1024, 1), ONLY_OPEN),
    "ignore_eos": Field(t.BOOLEAN, ONLY_OPEN, neutral=_OFF),
    "include_stop_str_in_output": Field(t.BOOLEAN, UNLESS_CONSTRAINED, neutral=_OFF),
    "skip_special_tokens": Field(t.BOOLEAN, ONLY_OPEN, neutral=(True,)),
    "spaces_between_special_tokens": Field(t.BOOLEAN, ONLY_OPEN, neutral=(True,)),
    "structured_outputs": Field(
        _STRUCTURED, OR_COMPARED, note="`regex`, `grammar`, `structural_tag`: right `grammars`"
    ),
    "logprob_token_ids": Field(t.many(_TOKEN_ID, 128), ONLY_OPEN, neutral=([],)),
    "return_token_ids": Field(t.BOOLEAN, ONLY_OPEN, neutral=_OFF, note="it would tell the policy's prompt"),
    "return_tokens_as_token_ids": Field(t.BOOLEAN, ONLY_OPEN, neutral=_OFF),
    "prompt_logprobs": Field(t.whole(0, 20), ONLY_OPEN, note="only of an engine that postil started"),
    "echo": Field(t.BOOLEAN, ONLY_OPEN, neutral=_OFF, note="with `logprobs`: only of an engine that postil started"),
    "stream_interval": Field(t.whole(1, 1024), (_P, _I, _I)),
    "add_special_tokens": Field(t.BOOLEAN, ONLY_OPEN),
}
# What ordinary clients send and no engine here acts on, and what says nothing to this engine.
_IGNORED: Mapping[str, Field] = {
    **dict.fromkeys(("metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"),
                    Field(t.ANYTHING, DROPPED, _OPENAI)),
    "cache_salt": Field(t.ANYTHING, DROPPED, note="the gateway sets one for each tenant and release"),
    "session_id": Field(t.ANYTHING, DROPPED),
    "length_penalty": Field(t.ANYTHING, DROPPED, note="only beam search has it"),
    "mm_payload": Field(t.ANYTHING, DROPPED),
    "return_mm_kwargs": Field(t.ANYTHING, DROPPED),
    "return_token_offsets": Field(t.ANYTHING, DROPPED),
    "truncation_side": Field(t.ANYTHING, DROPPED),
}  # fmt: skip
_REFUSED: Mapping[str, Field] = {
    "use_beam_search": Field(t.BOOLEAN, NEVER, neutral=_OFF, instead="ask for several answers with `n`"),
    "priority": Field(
        t.whole(t.SMALLEST_INT64, t.LARGEST_INT64), NEVER, neutral=(0,), instead="tenants have equal shares"
    ),
    "request_id": Field(t.text(4096), NEVER, instead="the gateway makes the ids"),
    "truncate_prompt_tokens": Field(t.ANYTHING, NEVER, neutral=(0,), instead="shorten the prompt before you send it"),
    "kv_transfer_params": Field(t.ANYTHING, NEVER, neutral=({},)),
    "ec_transfer_params": Field(t.ANYTHING, NEVER, neutral=({},)),
    "vllm_xargs": Field(t.ANYTHING, NEVER, neutral=({},)),
    "repetition_detection": Field(t.ANYTHING, NEVER, instead="bound the answer with `max_tokens`"),
    "thinking_token_budget": Field(t.ANYTHING, NEVER, neutral=(-1,), instead="bound the answer with `max_tokens`"),
    "routed_experts_prompt_start": Field(t.ANYTHING, NEVER, neutral=(0,)),
    "watermarking": Field(t.ANYTHING, NEVER, neutral=(True,)),
}

_CHAT: Mapping[str, Field] = {
    "messages": Field(t.LIST, EVERYWHERE, _OPENAI, note="at least one; see below"),
    "max_completion_tokens": Field(t.whole(1, t.LARGEST_INT32), EVERYWHERE, _OPENAI, note="as `max_tokens`"),
    "logprobs": Field(t.BOOLEAN, EVERYWHERE, _OPENAI),
    "top_logprobs": Field(t.whole(0, 20), EVERYWHERE, _OPENAI),
    "tools": Field(t.LIST, OR_COMPARED, _OPENAI, neutral=([],), note="at most 128; input checks see them"),
    "tool_choice": Field(
        t.either(t.one_of("none", "auto", "required"), t.OBJECT), OR_COMPARED, _OPENAI, note="as `tools`"
    ),
    "parallel_tool_calls": Field(t.BOOLEAN, OR_COMPARED, _OPENAI),
    "reasoning_effort": Field(
        t.one_of("none", "minimal", "low", "medium", "high", "xhigh", "max"), (_P, _P, _I), _OPENAI
    ),
    "include_reasoning": Field(t.BOOLEAN, (_P, _I, _I), note="no check sees reasoning, so none leaves"),
    "add_generation_prompt": Field(t.BOOLEAN, ONLY_OPEN, neutral=(True,)),
    "continue_final_message": Field(t.BOOLEAN, ONLY_OPEN, neutral=_OFF),
    "documents": Field(
        t.many(t.mapping(t.text(65536), 16, t.text(64, 1)), 128), ONLY_OPEN, neutral=([],), note="no check sees them"
    ),
    "chat_template_kwargs": Field(t.mapping(t.SCALAR, 16, t.text(64, 1)), ONLY_OPEN, neutral=({},)),
    "return_prompt_text": Field(t.BOOLEAN, ONLY_OPEN, neutral=_OFF, note="it would tell the policy's prompt"),
    "chat_template": Field(t.ANYTHING, NEVER, instead="the base's own template is used"),
    "media_io_kwargs": Field(t.ANYTHING, NEVER, neutral=({},)),
    "mm_processor_kwargs": Field(t.ANYTHING, NEVER, neutral=({},)),
    "functions": Field(t.ANYTHING, NEVER, _OPENAI, neutral=([],), instead="send `tools`"),
    "function_call": Field(t.ANYTHING, NEVER, _OPENAI, neutral=("none",), instead="send `tool_choice`"),
    "audio": Field(t.ANYTHING, NEVER, _OPENAI, instead="answers are text"),
    "web_search_options": Field(t.ANYTHING, NEVER, _OPENAI, instead="nothing is searched"),
    "modalities": Field(t.many(t.one_of("text"), 1), DROPPED, _OPENAI),
    **dict.fromkeys(("prediction", "verbosity", "prompt_cache_retention", "prompt_cache_options", "moderation"),
                    Field(t.ANYTHING, DROPPED, _OPENAI)),
}  # fmt: skip
_TEXT: Mapping[str, Field] = {
    "prompt": Field(
        replace(_PROMPT, words="a text, token ids, or a list of texts or of token ids, none of them empty"),
        EVERYWHERE,
        _OPENAI,
        note="as token ids: not where a check reads the text or a policy has a prompt",
    ),
    "logprobs": Field(t.whole(0, 20), EVERYWHERE, _OPENAI),
    "best_of": Field(t.whole(1, 16384), DROPPED, _OPENAI, note="counted as `n` is"),
    "suffix": Field(t.text(65536), NEVER, _OPENAI, neutral=("",), instead="this base does not fill in the middle"),
    "prompt_embeds": Field(t.ANYTHING, NEVER, neutral=([],), instead="send a text"),
}
FIELDS: Mapping[Kind, Mapping[str, Field]] = {
    Kind.CHAT: {**_CHAT, **_COMMON, **_IGNORED, **_REFUSED},
    Kind.TEXT: {**_TEXT, **_COMMON, **_IGNORED, **_REFUSED},
}
# What vLLM called otherwise once, and what other servers call so.
RENAMED: Mapping[str, str] = {
    "guided_json": "structured_outputs.json",
    "guided_regex": "structured_outputs.regex",
    "guided_choice": "structured_outputs.choice",
    "guided_grammar": "structured_outputs.grammar",
    "guided_json_object": "structured_outputs.json_object",
    "structural_tag": "structured_outputs.structural_tag",
    "guided_whitespace_pattern": "structured_outputs.whitespace_pattern",
    "guided_decoding_backend": "structured_outputs",
    "grammar": "structured_outputs.grammar",
    "json_schema": "response_format",
    "repeat_penalty": "repetition_penalty",
    "max_new_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "num_predict": "max_tokens",
    "n_predict": "max_tokens",
    "stop_sequences": "stop",
    "random_seed": "seed",
    "input": "messages",
}
