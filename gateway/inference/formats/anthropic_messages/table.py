"""The fields of a request to ``/v1/messages``, and what is done with each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postil.gateway.inference import field_types as t
from postil.gateway.inference.formats.other_fields import Handling, OtherField

PATH = "/v1/messages"
COUNT_PATH = "/v1/messages/count_tokens"
REQUIRED = ("messages", "max_tokens")
COUNT_REQUIRED = ("messages",)
_H, _I, _R = Handling.HONOURED, Handling.IGNORED, Handling.REFUSED
_NAME = t.text(256)
_TEXT = t.text(2**24)
_THINKING = t.FieldType(
    "an object whose `type` is enabled, adaptive or disabled",
    lambda value: type(value) is dict and value.get("type") in ("enabled", "adaptive", "disabled"),
    {"type": "object", "required": ["type"], "properties": {"type": {"enum": ["enabled", "adaptive", "disabled"]}}},
)


def _is_choice(value: Any) -> bool:
    if type(value) is not dict or type(value.get("disable_parallel_tool_use", False)) is not bool:
        return False
    kind = value.get("type")
    return kind in ("auto", "any", "none") or (kind == "tool" and _NAME.fits(value.get("name")))


_CHOICE = t.FieldType(
    "an object whose `type` is auto, any, none, or tool with a `name`",
    _is_choice,
    {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"enum": ["auto", "any", "none", "tool"]},
            "name": {"type": "string"},
            "disable_parallel_tool_use": {"type": "boolean"},
        },
    },
)

FIELDS: Mapping[str, OtherField] = {
    "model": OtherField(t.text(512), _H, "routes the request, as a chat's", in_chat=True),
    "messages": OtherField(t.many(t.OBJECT, 2048, 1), _H, "see below"),
    "system": OtherField(t.either(_TEXT, t.many(t.OBJECT, 2048)), _H, "the first message of the system"),
    "max_tokens": OtherField(
        t.whole(1, t.LARGEST_INT32),
        _H,
        "required, as Anthropic's; more than may be becomes what may be",
        in_chat=True,
    ),
    "stream": OtherField(t.BOOLEAN, _H, in_chat=True),
    "temperature": OtherField(t.number(0, 2), _H, in_chat=True),
    "top_p": OtherField(t.number(0, 1, above=True), _H, in_chat=True),
    "top_k": OtherField(t.whole(0, t.LARGEST_INT32), _H, "0 is as good as none"),
    "stop_sequences": OtherField(t.many(t.text(256, 1), 4), _H, "`stop` of a chat"),
    "tools": OtherField(t.many(t.OBJECT, 128), _H, "of type custom, or without one; hosted tools are refused"),
    "tool_choice": OtherField(_CHOICE, _H, "`any` is a chat's `required`; `disable_parallel_tool_use` is honoured"),
    "thinking": OtherField(
        _THINKING, _H, "thoughts are told where it is on; `budget_tokens` is ignored: `max_tokens` bounds the answer"
    ),
    "output_config": OtherField(
        t.record(
            {
                "effort": t.one_of("none", "minimal", "low", "medium", "high", "xhigh", "max"),
                "format": t.record({"type": t.one_of("json_schema"), "schema": t.OBJECT}, ("type", "schema")),
            }
        ),
        _H,
        "`effort` is a chat's `reasoning_effort`, `format` its `response_format`",
    ),
    "metadata": OtherField(t.record({"user_id": t.text(4096)}), _H, "`user_id` keeps a user on one side of a canary"),
    "chat_template_kwargs": OtherField(t.ANYTHING, _H, "passed on as a chat's", in_chat=True),
    "cache_control": OtherField(t.ANYTHING, _I, "prompts are cached for each tenant and release; so it is in blocks"),
    "context_management": OtherField(t.ANYTHING, _I, "nothing is cleared; what is too long is refused"),
    "service_tier": OtherField(t.text(64), _I, "there is one"),
    "speed": OtherField(t.text(64), _I, "there is one"),
    "inference_geo": OtherField(t.text(64), _I),
    "diagnostics": OtherField(t.OBJECT, _I),
    "user_profile_id": OtherField(t.text(256), _I),
    "workspace_id": OtherField(t.text(256), _I),
    "container": OtherField(t.ANYTHING, _R, "no code is run here", ({},)),
    "mcp_servers": OtherField(t.ANYTHING, _R, "no tools are run here; send `tools`", ([],)),
}
# What a chat calls otherwise, for errors.
RENAMED: Mapping[str, str] = {
    "stop": "stop_sequences",
    "response_format": "output_config.format",
    "reasoning_effort": "output_config.effort",
}
