"""The endpoints of other APIs in the OpenAPI document, from the tables of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postil.gateway.inference.field_types import or_null
from postil.gateway.inference.formats import COUNT, TRANSLATED, TranslatedFormat
from postil.gateway.inference.formats.anthropic_messages.table import PATH as MESSAGES
from postil.gateway.inference.formats.other_fields import Handling, OtherField

_ANTHROPIC_ERROR = {"description": "An error in Anthropic's format", "content": {"application/json": {"schema": {
    "type": "object", "required": ["type", "error"],
    "properties": {"error": {"type": "object", "required": ["type", "message"]}},
}}}}  # fmt: skip
_SUMMARIES = {
    "/v1/responses": "Answer as OpenAI's Responses, without a store",
    "/v1/messages": "Answer as Anthropic's Messages",
    "/v1/messages/count_tokens": "Count the tokens of what would be sent to `/v1/messages`",
}


def document_translated(error: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the endpoints; ``error`` describes an error in OpenAI's format."""
    return {api.path: {"post": _operation(api, error)} for api in (*TRANSLATED, COUNT)}


def _described(field: OtherField, *, needed: bool) -> dict[str, Any]:
    schema = field.type.schema if needed else or_null(field.type.schema)
    return {**schema, "description": ": ".join(filter(None, (field.handling, field.note)))}


def _operation(api: TranslatedFormat, error: Mapping[str, Any]) -> dict[str, Any]:
    taken = {name: field for name, field in api.fields.items() if field.handling is not Handling.REFUSED}
    properties = {name: _described(field, needed=name in api.required) for name, field in taken.items()}
    schema = {"type": "object", "required": [*api.required], "properties": properties, "additionalProperties": False}
    answered: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
    if api is not COUNT:
        answered["text/event-stream"] = {"schema": {"type": "string"}}
    return {
        "summary": _SUMMARIES[api.path],
        "operationId": api.path.strip("/").replace("/", "_"),
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "200": {"description": "The answer, whole or as events", "content": answered},
            "default": _ANTHROPIC_ERROR if api.path.startswith(MESSAGES) else error,
        },
    }
