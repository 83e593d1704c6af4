"""Values at the bounds of the table, for each field that is passed to the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postil.gateway.inference.formats import Kind

_INT32, _INT64 = 2**31 - 1, 2**63 - 1
_CALL = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"at": "it"}'}}
_TOOL = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}}
_SCHEMA = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}

# What has to stand beside a field.
SECOND: Mapping[str, Mapping[str, Any]] = {
    "top_logprobs": {"logprobs": True},
    "logprob_token_ids": {"logprobs": 1},
    "stream_options": {"stream": True},
    "stream_interval": {"stream": True},
    "tool_choice": {"tools": [_TOOL]},
    "echo": {"logprobs": 1},
    "continue_final_message": {"add_generation_prompt": False},
    "return_tokens_as_token_ids": {"logprobs": 1},
}
_CHAT: Mapping[str, list[Any]] = {
    "messages": [
        [{"role": role, "content": "a"} for role in ("system", "user", "assistant", "user")],
        [{"role": "developer", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "b"}]}],
        [{"role": "user", "content": "a", "name": "Ann"}, {"role": "assistant", "content": None, "tool_calls": [_CALL]},
         {"role": "tool", "content": "b", "tool_call_id": "1"}],
        [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "reasoning": "hm"}],
        [{"role": "user", "content": None}],
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": []}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:1/a.png"}}]}],
        [{"role": "assistant", "content": "a",
          "tool_calls": [{"function": {"name": "a", "arguments": "not JSON"}}]}],
        [{"role": "assistant", "content": "a", "tool_calls": [{"function": {"name": "a", "arguments": "[1]"}}]}],
    ],
    "model": ["base"],
    "stream": [True, False],
    "stream_options": [{"include_usage": True, "continuous_usage_stats": True}, {}],
    "user": ["ann"],
    "max_tokens": [0, 1, 100_000, _INT32],
    "max_completion_tokens": [1, _INT32],
    "n": [1, 2, 8],
    "temperature": [0, 1e-300, 2],
    "top_p": [1e-300, 0.5, 1],
    "presence_penalty": [-2, 2],
    "frequency_penalty": [-2, 2],
    "seed": [0, -1, _INT64, -(2**63)],
    "stop": ["a", ["a", "b", "c", "d"], ["x" * 256], ""],
    "logit_bias": [{"15": 100}, {"15": -100}, {str(_INT32): 1}, {str(number): -100 for number in range(1024)}],
    "response_format": [
        {"type": "text"}, {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "a", "schema": _SCHEMA}},
        {"type": "json_schema"}, {"type": "json_schema", "json_schema": {}}, {"type": "structural_tag"},
    ],
    "top_k": [-1, 0, 1, 49152, _INT32],
    "min_p": [0, 0.5, 1],
    "repetition_penalty": [0.01, 10],
    "min_tokens": [0, 4, _INT32],
    "stop_token_ids": [[0], [_INT32], [*range(64)]],
    "bad_words": [["a"], [" "], ["\u200b"], ["word"] * 64, [f"word {number}" for number in range(64)]],
    "allowed_token_ids": [[5], [_INT32], [*range(1024)]],
    "ignore_eos": [True],
    "include_stop_str_in_output": [True],
    "skip_special_tokens": [False],
    "spaces_between_special_tokens": [False],
    "structured_outputs": [
        {"choice": ["yes", "no"]}, {"json": _SCHEMA}, {"json": "not JSON"}, {"regex": "[ab]"}, {"regex": "("}, {},
        {"grammar": 'root ::= "a"'}, {"grammar": "root ::= x"}, {"json_object": True}, {"structural_tag": "{}"},
        {"choice": ["a"], "json": {}},
    ],
    "logprobs": [True, False],
    "top_logprobs": [0, 20],
    "logprob_token_ids": [[1, 2], [_INT32], [*range(128)]],
    "return_token_ids": [True],
    "return_tokens_as_token_ids": [True],
    "prompt_logprobs": [0, 1, 20],
    "echo": [True],
    "stream_interval": [1, 1024],
    "add_special_tokens": [True, False],
    "tools": [[_TOOL], []],
    "tool_choice": ["none", "auto", "required", {"type": "function", "function": {"name": "look"}}],
    "parallel_tool_calls": [True, False],
    "reasoning_effort": ["none", "low", "max"],
    "include_reasoning": [False],
    "add_generation_prompt": [False],
    "continue_final_message": [True],
    "documents": [[{"title": "a", "text": "b"}]],
    "chat_template_kwargs": [
        {"enable_thinking": False}, {"messages": "a"}, {"chat_template": "{{ 1 }}"}, {"tokenize": True},
        {"add_generation_prompt": "a"}, {"return_dict": True}, {"tools": "a"}, {"conversation": "a"},
    ],
    "return_prompt_text": [True],
}  # fmt: skip
SAMPLES: Mapping[Kind, Mapping[str, list[Any]]] = {
    Kind.CHAT: _CHAT,
    Kind.TEXT: {
        **_CHAT,
        "prompt": ["a", " ", ["a", "b"], [1, 2], [[1], [2, 3]], [_INT32], [[49152]], "<|im_start|>"],
        "logprobs": [0, 1, 20],
        "best_of": [2],
    },
}
