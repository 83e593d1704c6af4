"""The OpenAPI document: litestar's routes, and the raw ASGI routes that litestar cannot inspect."""

from __future__ import annotations

from typing import Any

from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from postil.gateway.api.documented_values import with_values
from postil.gateway.api.openai.beside import document_beside
from postil.gateway.api.openapi_translated import document_translated
from postil.gateway.inference.fields.messages import ROLES

_RELEASES = "/api/v1/adapters/{domain}/{adapter}/releases"
_ERROR = {"description": "An error in OpenAI's format", "content": {"application/json": {"schema": {
    "type": "object", "required": ["error"],
    "properties": {"error": {"type": "object", "required": ["message", "type", "param", "code"]}},
}}}}  # fmt: skip
_COMMON: dict[str, Any] = {
    "model": {"type": ["string", "null"], "maxLength": 512, "description": "A domain, an adapter, a release, or base"},
    "stream": {"type": ["boolean", "null"]},
    "stream_options": {"type": ["object", "null"], "properties": {"include_usage": {"type": "boolean"}}},
    "user": {"type": ["string", "null"], "maxLength": 4096},
}
_MESSAGE = {"type": "object", "required": ["role", "content"], "properties": {
    "role": {"enum": [*ROLES]}, "content": {"type": ["string", "array", "null"]},
}}  # fmt: skip
_PROMPTS = {"type": "array", "minItems": 1, "maxItems": 2048, "items": {"type": "string", "minLength": 1}}
_BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": {"type": "array", "minItems": 1, "maxItems": 2048, "items": _MESSAGE}},
    "/v1/completions": {"prompt": {"anyOf": [{"type": "string", "minLength": 1}, _PROMPTS]}},
}
_HUB = {"type": "string", "pattern": "^hf://[A-Za-z0-9_-]{1,96}/[A-Za-z0-9_-]{1,96}$"}
_UPLOAD = {"type": "object", "required": ["artifact"], "properties": {
    "artifact": {"type": "string", "format": "binary"},
    "policy": {"type": "string"}, "note": {"type": "string"},
}}  # fmt: skip
_SOURCE = {"type": "object", "required": ["source"], "additionalProperties": False, "properties": {
    "source": _HUB, "policy": {"type": ["string", "null"]}, "note": {"type": "string"},
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
        paths = {**openapi_schema["paths"], **{path: _completion(path) for path in _BODIES}, **document_beside()}
        paths |= document_translated(_ERROR)
        forms = {"multipart/form-data": {"schema": _UPLOAD}, "application/json": {"schema": _SOURCE}}
        publish = {**paths[_RELEASES]["post"], "requestBody": {"required": True, "content": forms}}
        paths[_RELEASES] = {**paths[_RELEASES], "post": publish}
        return super().render(request, with_values({**openapi_schema, "paths": paths}))


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
