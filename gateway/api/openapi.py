"""The OpenAPI document: litestar's routes, and the raw ASGI routes that litestar cannot inspect."""

from __future__ import annotations

from typing import Any

from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from postil.gateway.inference.formats import COUNT, TRANSLATED, TranslatedFormat
from postil.gateway.inference.formats.anthropic_messages.table import PATH as MESSAGES
from postil.gateway.inference.formats.other_fields import Handling

_RELEASES = "/api/v1/adapters/{domain}/{adapter}/releases"
_ERROR = {"description": "An error in OpenAI's format", "content": {"application/json": {"schema": {
    "type": "object", "required": ["error"],
    "properties": {"error": {"type": "object", "required": ["message", "type", "param", "code"]}},
}}}}  # fmt: skip
_ANTHROPIC_ERROR = {"description": "An error in Anthropic's format", "content": {"application/json": {"schema": {
    "type": "object", "required": ["type", "error"],
    "properties": {"error": {"type": "object", "required": ["type", "message"]}},
}}}}  # fmt: skip
_COMMON = {
    "model": {"type": ["string", "null"], "description": "A domain, an adapter, a release, or base"},
    "stream": {"type": ["boolean", "null"]},
    "stream_options": {"type": ["object", "null"], "properties": {"include_usage": {"type": "boolean"}}},
    "user": {"type": ["string", "null"]},
}
_MESSAGE = {"type": "object", "required": ["role"], "properties": {"role": {"type": "string"}}}
_BODIES = {
    "/v1/chat/completions": {"messages": {"type": "array", "maxItems": 2048, "items": _MESSAGE}},
    "/v1/completions": {"prompt": {"type": ["string", "array"], "maxItems": 2048}},
}
_SUMMARIES = {
    "/v1/responses": "Answer as OpenAI's Responses, without a store",
    "/v1/messages": "Answer as Anthropic's Messages",
    "/v1/messages/count_tokens": "Count the tokens of what would be sent to `/v1/messages`",
}
_UPLOAD = {"type": "object", "properties": {
    "artifact": {"type": "string", "format": "binary"}, "source": {"type": "string"},
    "policy": {"type": "string"}, "note": {"type": "string"},
}}  # fmt: skip
_SOURCE = {"type": "object", "required": ["source"], "additionalProperties": False, "properties": {
    "source": {"type": "string"}, "policy": {"type": ["string", "null"]}, "note": {"type": "string"},
}}  # fmt: skip


def document_config() -> OpenAPIConfig:
    """Configure the document without the usual pages, which load scripts from other sites."""
    return OpenAPIConfig(
        "postil", "1", path="/api/v1/docs", render_plugins=[_Document()],
        components=Components(security_schemes={"key": SecurityScheme(type="http", scheme="bearer")}),
        security=[{"key": []}],
    )  # fmt: skip


class _Document(JsonRenderPlugin):
    """Adds the completions, which are raw ASGI, and the body of a publish, which is parsed by hand."""

    def render(self, request: Any, openapi_schema: dict[str, Any]) -> bytes:
        """Return the document as JSON."""
        paths = {**openapi_schema["paths"], **{path: _completion(path) for path in _BODIES}}
        paths |= {api.path: _translated(api) for api in (*TRANSLATED, COUNT)}
        forms = {"multipart/form-data": {"schema": _UPLOAD}, "application/json": {"schema": _SOURCE}}
        publish = {**paths[_RELEASES]["post"], "requestBody": {"required": True, "content": forms}}
        paths[_RELEASES] = {**paths[_RELEASES], "post": publish}
        return super().render(request, {**openapi_schema, "paths": paths})


def _completion(path: str) -> dict[str, Any]:
    """Describe one completion endpoint; parameters that are not listed here are vLLM's."""
    own = _BODIES[path]
    schema = {"type": "object", "required": list(own), "properties": {**own, **_COMMON}}
    answered = {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {"schema": {"type": "string"}}}
    return {"post": {
        "summary": "Complete a chat" if "chat" in path else "Complete a text",
        "operationId": path.strip("/").replace("/", "_"),
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"200": {"description": "The answer, whole or as events", "content": answered}, "default": _ERROR},
    }}  # fmt: skip


def _translated(api: TranslatedFormat) -> dict[str, Any]:
    """Describe an endpoint of another API: its fields, but for those that are refused."""
    taken = {name: field for name, field in api.fields.items() if field.handling is not Handling.REFUSED}
    properties = {name: {"description": f"{field.handling}: {field.type.words}"} for name, field in taken.items()}
    schema = {"type": "object", "required": [*api.required], "properties": properties, "additionalProperties": False}
    answered = {"application/json": {"schema": {"type": "object"}}}
    if "stream" in properties and api is not COUNT:
        answered["text/event-stream"] = {"schema": {"type": "string"}}
    return {"post": {
        "summary": _SUMMARIES[api.path],
        "operationId": api.path.strip("/").replace("/", "_"),
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "200": {"description": "The answer, whole or as events", "content": answered},
            "default": _ANTHROPIC_ERROR if api.path.startswith(MESSAGES) else _ERROR,
        },
    }}  # fmt: skip
