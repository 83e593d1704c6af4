"""The OpenAPI document: litestar's routes, and the raw ASGI routes that litestar cannot inspect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from postil.gateway.api.documented_values import with_values
from postil.gateway.api.openai.beside import document_beside
from postil.gateway.api.openapi_translated import document_translated
from postil.gateway.inference.body_limits import MOST_MESSAGES
from postil.gateway.inference.field_types import or_null
from postil.gateway.inference.fields.field import Field, Use
from postil.gateway.inference.fields.messages import ROLES
from postil.gateway.inference.fields.table import FIELDS
from postil.gateway.inference.formats import Kind

_RELEASES = "/api/v1/adapters/{domain}/{adapter}/releases"
_ERROR = {"description": "An error in OpenAI's format", "content": {"application/json": {"schema": {
    "type": "object", "required": ["error"],
    "properties": {"error": {"type": "object", "required": ["message", "type", "param", "code"]}},
}}}}  # fmt: skip
_MESSAGE = {"type": "object", "required": ["role", "content"], "properties": {
    "role": {"enum": [*ROLES]}, "content": {"type": ["string", "array", "null"]},
}}  # fmt: skip
_MESSAGES = {"type": "array", "minItems": 1, "maxItems": MOST_MESSAGES, "items": _MESSAGE}
# What has to be there, and how it is more exactly than its field's type.
_NEEDED: Mapping[Kind, tuple[str, Mapping[str, Any]]] = {
    Kind.CHAT: ("messages", _MESSAGES),
    Kind.TEXT: ("prompt", FIELDS[Kind.TEXT]["prompt"].type.schema),
}
_HUB = {"type": "string", "pattern": "^hf://[A-Za-z0-9_-]{1,96}/[A-Za-z0-9_-]{1,96}$"}
_UPLOAD = {"type": "object", "required": ["artifact"], "properties": {
    "artifact": {"type": "string", "format": "binary"},
    "policy": {"type": "string"}, "note": {"type": "string"},
}}  # fmt: skip
_FILES = "/v1/files"
_FILE = {"type": "object", "required": ["file", "purpose"], "properties": {
    "file": {"type": "string", "format": "binary"}, "purpose": {"const": "fine-tune"},
    "domain": {"type": "string", "description": "The domain of the file; needed where the key is for several"},
    "expires_after[anchor]": {"const": "created_at"},
    "expires_after[seconds]": {"type": "integer", "minimum": 3600, "maximum": 2_592_000},
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
    """Adds the completions, which are raw ASGI, and the bodies of uploads, which are parsed by hand."""

    def render(self, request: Any, openapi_schema: dict[str, Any]) -> bytes:
        """Return the document as JSON."""
        paths = {**openapi_schema["paths"], **{kind.value: _completion(kind) for kind in Kind}, **document_beside()}
        paths |= document_translated(_ERROR)
        forms = {"multipart/form-data": {"schema": _UPLOAD}, "application/json": {"schema": _SOURCE}}
        publish = {**paths[_RELEASES]["post"], "requestBody": {"required": True, "content": forms}}
        paths[_RELEASES] = {**paths[_RELEASES], "post": publish}
        training = {"multipart/form-data": {"schema": _FILE}}
        upload = {**paths[_FILES]["post"], "requestBody": {"required": True, "content": training}}
        paths[_FILES] = {**paths[_FILES], "post": upload}
        return super().render(request, with_values({**openapi_schema, "paths": paths}))


def _completion(kind: Kind) -> dict[str, Any]:
    """Describe one completion endpoint; fields that are refused everywhere are left out."""
    needed, exactly = _NEEDED[kind]
    taken = {name: field for name, field in FIELDS[kind].items() if field.uses[0] is not Use.REFUSED}
    properties = {name: _field(field) for name, field in taken.items()} | {needed: exactly}
    schema = {"type": "object", "required": [needed], "properties": properties, "additionalProperties": False}
    answered = {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {"schema": {"type": "string"}}}
    return {"post": {
        "summary": "Complete a chat" if kind is Kind.CHAT else "Complete a text",
        "operationId": kind.value.strip("/").replace("/", "_"),
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"200": {"description": "The answer, whole or as events", "content": answered}, "default": _ERROR},
    }}  # fmt: skip


def _field(field: Field) -> dict[str, Any]:
    """Describe a field: its values, and what is done with it at the base, under a policy and under a constraint."""
    uses = field.uses[0] if len(set(field.uses)) == 1 else ", ".join(field.uses)
    return {**or_null(field.type.schema), "description": ": ".join(filter(None, (uses, field.note)))}
