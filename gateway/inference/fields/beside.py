"""The fields of the endpoints beside completions: an allow-list each, so that nothing unknown reaches the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from postil.gateway.errors import BadRequestError
from postil.gateway.inference import field_types as t
from postil.gateway.inference.field_refusals import missing_field, unknown_field, unsupported_field, wrong_type
from postil.gateway.inference.field_types import FieldType

_TEXT = t.text(2**24, 1)
_TOKENS = t.many_whole(0, t.LARGEST_INT32, 2**20, 1)
# What the gateway reads itself.
_COMMON: Mapping[str, FieldType] = {"model": t.text(512), "user": t.text(4096)}


class UnsupportedEndpointError(BadRequestError):
    """An endpoint of OpenAI's or vLLM's that is not served here."""

    code = "unsupported_endpoint"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint: its path, the fields that it passes on, what refuses others, and of which one has to be there."""

    path: str
    passed: Mapping[str, FieldType]
    one_of: Sequence[str]
    refused: Mapping[str, str] = field(default_factory=dict)


TOKENIZE = Endpoint(
    "/tokenize",
    {
        "prompt": t.text(2**24),
        "messages": t.LIST,
        "tools": t.LIST,
        "add_special_tokens": t.BOOLEAN,
        "return_token_strs": t.BOOLEAN,
        "add_generation_prompt": t.BOOLEAN,
        "continue_final_message": t.BOOLEAN,
        "chat_template_kwargs": t.mapping(t.SCALAR, 16, t.text(64, 1)),
    },
    ("prompt", "messages"),
    {
        "chat_template": "the base's own template is used",
        "media_io_kwargs": "send texts",
        "mm_processor_kwargs": "send texts",
    },
)
DETOKENIZE = Endpoint("/detokenize", {"tokens": t.many_whole(0, t.LARGEST_INT32, 2**20)}, ("tokens",))
EMBEDDINGS = Endpoint(
    "/v1/embeddings",
    {
        "input": t.either(_TEXT, t.many(_TEXT, 2048, 1), _TOKENS, t.many(_TOKENS, 2048, 1)),
        "encoding_format": t.one_of("float", "base64"),
        "dimensions": t.whole(1, 65536),
        "add_special_tokens": t.BOOLEAN,
        "use_activation": t.BOOLEAN,
        "embed_dtype": t.one_of("float32", "float16", "bfloat16", "fp8_e4m3", "fp8_e5m2"),
        "endianness": t.one_of("native", "big", "little"),
    },
    ("input",),
    {
        "messages": "send `input`",
        "truncate_prompt_tokens": "shorten the input before you send it",
        "truncation_side": "shorten the input before you send it",
        "padding": "leave it out",
        "priority": "tenants have equal shares",
        "request_id": "the gateway makes the ids",
        "cache_salt": "the gateway sets one for each tenant and release",
        "mm_processor_kwargs": "send texts",
        "add_generation_prompt": "send `input`",
        "continue_final_message": "send `input`",
        "chat_template": "send `input`",
        "chat_template_kwargs": "send `input`",
        "media_io_kwargs": "send texts",
    },
)


def check_body(endpoint: Endpoint, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with all of it looked at: known fields of the right type, null left out. Raises BadRequestError."""
    checked: dict[str, Any] = {}
    for name, value in body.items():
        kind = endpoint.passed.get(name) or _COMMON.get(name)
        if kind is None:
            raise _not_taken(endpoint, name)
        if value is None:
            continue
        if not kind.fits(value):
            raise wrong_type(name, kind.words)
        checked[name] = value
    if sum(name in checked for name in endpoint.one_of) != 1:
        raise missing_field(*endpoint.one_of)
    return checked


def _not_taken(endpoint: Endpoint, name: str) -> BadRequestError:
    if (instead := endpoint.refused.get(name)) is not None:
        return unsupported_field(name, instead)
    return unknown_field(endpoint.path, name, endpoint.passed)
