"""The reference of policy.yaml, read from its JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deploy.docs.hooks_page import built_in
from deploy.docs.markdown import Schema, bounds, code, default, fields, kind, page, sentence, table
from postil.plugins.contract import Component
from postil.plugins.manager import PluginManager
from postil.registry.policy.policy import Policy
from postil.registry.policy.schema import policy_schema

_LEAD = (
    "A policy says how an adapter answers, and is part of its release. `postil policy check` says whether a file is"
    " one; `postil policy schema` writes the JSON Schema for editors, with what is installed."
)
_HEADS = ["field", "type", "default", "bounds", "what it does"]


def policy_fields() -> list[str]:
    """Every field, with a dot for what lies inside: ``output.labels``, ``validators.on_fail``."""
    schema = Policy.model_json_schema()
    return [f"{where}{name}" for where, _, part in _parts(schema) for name, _, _ in fields(part)]


def policy_page() -> str:
    """``policy.md``."""
    schema = Policy.model_json_schema()
    described = policy_schema(PluginManager(entry_points=False))["properties"]
    parts = [_part(where, text, part, described) for where, text, part in _parts(schema)]
    used = [_component(word, one) for word, one in built_in() if word in ("input check", "validator", "fallback rule")]
    return page("The policy", _LEAD, *parts, "# What comes with postil", *used)


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, Schema]]:
    """The policy itself, and each part of it that has fields: a prefix of names, what it is, its schema."""
    yield "", str(schema.get("description", "")), schema
    for name, one, _ in fields(schema):
        for reference in _references(one):
            part = schema["$defs"][reference]
            if "properties" in part:
                yield f"{name}.", str(part.get("description", "")), part


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            yield str(schema["$ref"]).rpartition("/")[2]
        for key in ("anyOf", "oneOf", "items"):
            yield from _references(schema.get(key))
    elif isinstance(schema, list):
        for one in schema:
            yield from _references(one)


def _part(where: str, text: str, part: Schema, described: Mapping[str, Any]) -> str:
    rows = []
    for name, one, required in fields(part):
        says = one.get("description") or (described.get(name, {}).get("description") if not where else None)
        rows.append((code(f"{where}{name}"), kind(one), default(one, required), bounds(one), sentence(says)))
    title = f"## `{where.rstrip('.')}`" if where else "## The whole"
    return "\n\n".join([title, " ".join(text.replace("``", "`").split()), table(_HEADS, rows)])


def _component(word: str, component: type[Component]) -> str:
    schema = component.config_schema()
    rows = [
        (code(name), kind(one), default(one, required), bounds(one), sentence(one.get("description")))
        for name, one, required in fields(schema)
    ]
    about = sentence(component.__doc__)
    listed = table(_HEADS, rows) if rows else "It has no configuration."
    return f"## `{component.name}` ({word})\n\n{about}\n\n{listed}"
