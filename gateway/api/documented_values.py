"""What values may be, for the OpenAPI document: patterns and bounds that the registry checks, read from where it does.

The framework documents types alone. A value of the documented form that names nothing there is, or that cannot be
done, is answered 404, 409 or 422.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from postil.registry.accounts import limits
from postil.registry.accounts.rights import Right
from postil.registry.accounts.usage import GROUPS
from postil.registry.accounts.webhooks import LONGEST_OVERLAP
from postil.registry.db.paging import LONGEST_CURSOR
from postil.registry.names import LARGEST_NUMBER, RESERVED
from postil.registry.names import PART as NAME_PART
from postil.registry.releases import quotas
from postil.registry.releases.channels import CANARY, SHADOW
from postil.registry.releases.sources import MOST as MOST_SOURCES
from postil.registry.releases.step_plan import MOST_STEPS
from postil.registry.reviews.export_examples import KINDS as EXAMPLE_KINDS
from postil.registry.reviews.reviews import STATUSES
from postil.registry.text import MAX_CHARACTERS

Schema = dict[str, Any]
# The reference shows patterns, where a bracket before a parenthesis would be a link.
PART = NAME_PART.replace("](", "]{1}(")
_NOT_RESERVED = f"(?!(?:{'|'.join(sorted(RESERVED))})(?:/|$))"
_NAME: Schema = {"type": "string", "pattern": f"^{PART}$"}
_DOMAIN: Schema = {"type": "string", "pattern": f"^{_NOT_RESERVED}{PART}$"}
_ADAPTER: Schema = {"type": "string", "pattern": f"^{_NOT_RESERVED}{PART}/{PART}$"}
_RELEASE: Schema = {"type": "string", "pattern": f"^{PART}/{PART}@[1-9][0-9]{{0,8}}$"}
_NUMBER: Schema = {"type": "integer", "minimum": 1, "maximum": LARGEST_NUMBER}
_COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER}
_CURSOR: Schema = {"type": "string", "pattern": f"^[A-Za-z0-9_-]{{2,{LONGEST_CURSOR}}}$"}
_DAY: Schema = {"type": "string", "format": "date"}
_TIME: Schema = {"anyOf": [_DAY, {"type": "string", "format": "date-time"}]}
_LETTER, _BLANKS = r"[^\x00-\x1f\x7f-\x9f]", r"\x00-\x20\x7f-\xa0"
_LINE: Schema = {"type": "string", "maxLength": MAX_CHARACTERS, "pattern": f"^{_LETTER}*$"}
_LINES: Schema = {**_LINE, "pattern": r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$"}
_NEEDED: Schema = {**_LINE, "pattern": f"^{_LETTER}*[^{_BLANKS}]{_LETTER}*$"}
_LIFETIME: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": 315_360_000}
_RIGHTS: Schema = {"type": "array", "items": {"enum": [str(right) for right in Right]}}
_PART_OF_A_HUB = "[A-Za-z0-9_-][A-Za-z0-9_.-]{0,94}[A-Za-z0-9_-]"
_SOURCE: Schema = {"type": "string", "pattern": f"^hf://{_PART_OF_A_HUB}/({_PART_OF_A_HUB}|\\*)$"}
_URL: Schema = {"type": "string", "maxLength": 2000, "pattern": "^https?://."}
_PERCENT: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": 100}
# That they rise cannot be said here.
_STEPS: Schema = {
    "type": "array",
    "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 100},
    "minItems": 1,
    "maxItems": MOST_STEPS,
}
# In paths, wherever they stand; ids and names of tenants, keys, webhooks and reviews are those that there are.
_IN_PATHS: Mapping[str, Schema] = {
    "domain": _DOMAIN,
    "adapter": _NAME,
    "number": _NUMBER,
    "which": {"type": "string", "enum": [CANARY, SHADOW]},
}
_IN_QUERIES: Mapping[str, Schema] = {
    "after": _CURSOR,
    "adapter": _ADAPTER,
    "domain": _DOMAIN,
    "reason": _LINE,
    "status": {"type": "string", "enum": [*STATUSES]},
    "by": {"type": "string", "enum": [*GROUPS]},
    "kind": {"type": "string", "enum": [*EXAMPLE_KINDS]},
    "since": _TIME,
    "until": _TIME,
    "at": _TIME,
    "from": _RELEASE,
    "to": _RELEASE,
}
_OF_USAGE: Mapping[str, Schema] = {"since": _DAY, "until": _DAY}
# Of bodies, by field.
_FIELDS: Mapping[str, Schema] = {
    "release": _NUMBER,
    "to": _NUMBER,
    "if_live": _COUNT,
    "if_revision": _COUNT,
    "weight": _PERCENT,
    "steps": _STEPS,
    "domain": _DOMAIN,
    "adapter": _NAME,
    "default_domain": _DOMAIN,
    "domains": {"type": "array", "items": _DOMAIN},
    "keep": {"type": "integer", "minimum": 0},
    "reason": _LINE,
    "note": _LINES,
    "expires_in": _LIFETIME,
    "rights": _RIGHTS,
    "add": _RIGHTS,
    "remove": _RIGHTS,
    "before": _TIME,
    "person": _NEEDED,
    "sources": {"type": "array", "items": _SOURCE, "maxItems": MOST_SOURCES},
    "url": _URL,
    "name": _DOMAIN,
    "overlap": {"type": "number", "minimum": 0, "maximum": LONGEST_OVERLAP.total_seconds()},
}
_WITHOUT_KEY = ("/health", "/ping", "/version")
_BOUNDED: Mapping[str, int] = {"LimitsBody": limits.LARGEST, "QuotasBody": quotas.LARGEST}
_OF_ANSWERS = (400, 401, 403, 404, 413, 415, 429, 500, 502, 503, 504)
_NEEDS_REASON = ("NeededReasonBody", "YankBody")
_ONE_OF: Mapping[str, tuple[str, ...]] = {"PurgeBody": ("tenant", "domain", "before")}
_AT_LEAST_ONE = {"TenantBody": "domains", "WebhookBody": "domains"}
# Both or neither: one parameter whose parts are written as two.
_HEAD: Schema = {
    "name": "kept",
    "in": "query",
    "style": "form",
    "explode": True,
    "required": False,
    "description": "A head that was kept: the event's number and its hash.",
    "schema": {
        "type": "object",
        "required": ["sequence", "head"],
        "additionalProperties": False,
        "properties": {
            "sequence": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
            "head": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        },
    },
}


def with_values(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with what values may be, and without a key where none is asked for."""
    components = document["components"]
    schemas = {name: _schema(name, schema) for name, schema in components["schemas"].items()}
    paths = {path: _item(path, item) for path, item in document["paths"].items()}
    return {**document, "paths": paths, "components": {**components, "schemas": schemas}}


def _item(path: str, item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        method: _operation(path, one) if isinstance(one, Mapping) and "responses" in one else one
        for method, one in item.items()
    }


def _operation(path: str, described: Mapping[str, Any]) -> dict[str, Any]:
    known = {**_IN_QUERIES, **(_OF_USAGE if path.endswith("/usage") else {})}
    if path.endswith("/usage"):
        known["adapter"] = {"anyOf": [_ADAPTER, {"const": "base"}]}
    parameters = [_parameter(one, known) for one in described.get("parameters", ())]
    if path.endswith("/audit"):
        parameters = [_HEAD]
    operation = {**described, **({"parameters": parameters} if parameters else {})}
    operation["responses"] = _responses(described["responses"])
    if path.startswith(_WITHOUT_KEY):
        operation["security"] = []
    return operation


def _responses(responses: Mapping[str, Any]) -> dict[str, Any]:
    """With the statuses of an endpoint that asks the engine, where it says one form for all its errors."""
    error = responses.get("default")
    if error is None:
        return {**responses}
    errors = {str(status): {**error, "description": HTTPStatus(status).phrase} for status in _OF_ANSWERS}
    return {**{status: one for status, one in responses.items() if status != "default"}, **errors}


def _parameter(one: Mapping[str, Any], in_queries: Mapping[str, Schema]) -> dict[str, Any]:
    known = (_IN_PATHS if one["in"] == "path" else in_queries).get(one["name"])
    schema = known or _never_null(one["schema"])
    return {**one, "schema": {**schema, **{key: one["schema"][key] for key in ("default",) if key in one["schema"]}}}


def _never_null(schema: Mapping[str, Any]) -> Schema:
    """What a parameter is that is sent: one that is null is not."""
    kinds = [kind for kind in schema.get("oneOf", ()) if kind.get("type") != "null"]
    return {**schema} if len(kinds) != 1 else {**kinds[0]}


def _schema(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    if not name.endswith("Body") or "error" in schema.get("properties", {}):
        return {**schema}
    fields = {field: _field(name, field, one) for field, one in schema["properties"].items()}
    closed: dict[str, Any] = {**schema, "properties": fields, "additionalProperties": False}
    if name in _ONE_OF:
        closed["anyOf"] = [{"required": [field], "properties": {field: {"type": "string"}}} for field in _ONE_OF[name]]
    return closed


def _field(name: str, field: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    known = _FIELDS.get(field)
    if name in _BOUNDED and field != "reason":
        known = {"type": "integer", "minimum": 1, "maximum": _BOUNDED[name]}
    if name in _NEEDS_REASON and field == "reason":
        known = _NEEDED
    if known is None:
        return {**schema}
    if _AT_LEAST_ONE.get(name) == field:
        known = {**known, "minItems": 1}
    may_be_null = any(kind.get("type") == "null" for kind in schema.get("oneOf", ()))
    rest = {key: schema[key] for key in ("default", "description") if key in schema}
    return {**({"oneOf": [known, {"type": "null"}]} if may_be_null else known), **rest}
