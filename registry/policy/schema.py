"""The JSON Schema of policy.yaml, for editors, with every installed input check, validator and fallback rule.

It accepts what a gateway accepts, except that editors mark numbers in quotes. Rules that depend on several values (a
validator named twice, a ``reject`` among the labels) or on a plugin's own check are left to ``postil policy check``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from postil.plugins.contract import Component
from postil.plugins.manager import PluginManager
from postil.registry.policy.policy import NOT_SAMPLING, REASONS, WEBHOOK_NAME, Policy

DIALECT = "https://json-schema.org/draft/2020-12/schema"
IDENTITY = "urn:postil:policy"
Schema = dict[str, Any]

_SAYS: Mapping[str, str] = {
    "system_prompt": "The first message of every conversation: the instruction that the adapter was trained with.",
    "sampling": "Overrides whatever a client sends, such as max_tokens: 32. Any sampling parameter of vLLM.",
    "defaults": "Applies if the client sends none, such as temperature: 0. Any sampling parameter of vLLM.",
    "input": "Checks of every request before it reaches the model, in this order.",
    "validators": "Checks of every answer, in this order.",
    "fallback": "Answers that replace one that failed a check: the first rule with an answer is used.",
    "output": "The allowed answers: one of some labels, or JSON that matches a schema; default: any text.",
    "reviews": "How people review answers of this adapter.",
    "pinned": "If a plugin's version differs from that at publish: warn serves the release, strict does not.",
}
# The kind of plugin that each part of a policy names.
_USES = {"CheckUse": "input check", "ValidatorUse": "validator", "FallbackUse": "fallback rule"}
# Options that ``registry.policy.build`` fills in from ``output`` if a validator does not set them.
_FROM_OUTPUT = frozenset({"labels", "field", "reject"})
_LABELS: Schema = {"required": ["labels"], "properties": {"labels": {"type": "array"}}}
_JSON: Schema = {"required": ["json_schema"], "properties": {"json_schema": {"type": "object"}}}


def policy_schema(plugins: PluginManager) -> Schema:
    """Return the schema of a policy that may use these plugins."""
    found: dict[str, list[type[Component]]] = {kind: [] for kind in _USES.values()}
    for offer in plugins.list_components():
        if offer.kind in found:
            found[offer.kind].append(plugins.component(offer.kind, offer.name))
    schema = Policy.model_json_schema()
    parts = schema["$defs"]
    _refine_policy(schema["properties"])
    _refine_output(parts["Output"])
    _refine_reviews(parts["ReviewRules"])
    checks = {check.name for kind in ("input check", "validator") for check in found[kind]}
    parts["FallbackUse"]["properties"]["when"]["anyOf"][0]["items"] = {"enum": sorted(checks | REASONS)}
    for use, kind in _USES.items():
        parts[use] = _one_of(parts[use], kind, found[kind], parts)
    schema["if"] = {"required": ["output"], "properties": {"output": {"type": "object", **_LABELS}}}
    schema["else"] = {"properties": {"validators": {"items": {"allOf": _without_labels(found["validator"])}}}}
    return {"$schema": DIALECT, "$id": IDENTITY, **schema}


def _refine_policy(properties: Schema) -> None:
    for name, text in _SAYS.items():
        properties[name]["description"] = text
    for name in ("sampling", "defaults"):
        properties[name]["propertyNames"] = {"not": {"enum": sorted(NOT_SAMPLING)}}


def _refine_reviews(reviews: Schema) -> None:
    """Leave out the URL, which only releases from before webhooks had names say."""
    reviews["properties"]["webhook"]["anyOf"][0] = {"type": "string", "pattern": WEBHOOK_NAME}


def _refine_output(output: Schema) -> None:
    """Add the rules that the model checks in code: either labels or a schema, and ``reject`` only with labels."""
    output["properties"]["labels"]["anyOf"][0] |= {"minItems": 1, "uniqueItems": True}
    output["oneOf"] = [_LABELS, _JSON]
    output["if"] = {"required": ["reject"], "properties": {"reject": {"type": "string"}}}
    output["then"] = _LABELS


def _one_of(use: Schema, kind: str, components: Sequence[type[Component]], parts: Schema) -> Schema:
    """Return the schema of a list's items: told apart by ``name``, each with its own configuration."""
    given = _FROM_OUTPUT if kind == "validator" else frozenset()
    return {
        "title": use["title"],
        "description": use["description"],
        "type": "object",
        "required": ["name"],
        "oneOf": [_use_of(use, kind, component, parts, given) for component in components] or [{"not": {}}],
    }


def _use_of(use: Schema, kind: str, component: type[Component], parts: Schema, given: frozenset[str]) -> Schema:
    config = _config_of(kind, component, parts)
    config["required"] = [key for key in config.get("required", []) if key not in given]
    says = inspect.getdoc(component) or use["description"]
    name = {"const": component.name, "title": "Name", "description": f"{says}\n\nVersion {component.version}."}
    return {
        **use,
        "title": component.name,
        "description": says,
        "properties": {**use["properties"], "name": name, "config": config},
        "required": ["name", "config"] if config["required"] else ["name"],
    }


def _config_of(kind: str, component: type[Component], parts: Schema) -> Schema:
    """Return a plugin's schema; its own definitions move to ``parts`` under unique names."""
    prefix = f"{kind}.{component.name}."
    pointer = "#/$defs/" + quote(prefix.replace("~", "~0").replace("/", "~1"), safe="")
    config = component.config_schema(pointer + "{model}")
    own = config.pop("$defs", {})
    parts.update({prefix + name: part for name, part in own.items()})
    # A recursive schema is just a reference.
    return dict(own[config["$ref"].removeprefix(pointer)]) if "$ref" in config else config


def _without_labels(validators: Sequence[type[Component]]) -> list[Schema]:
    """Require the options that validators cannot take from ``output`` because it has no labels."""
    needs = {kind.name: _required(kind) & _FROM_OUTPUT for kind in validators}
    return [
        {
            "if": {"required": ["name"], "properties": {"name": {"const": name}}},
            "then": {"required": ["config"], "properties": {"config": {"required": sorted(keys)}}},
        }
        for name, keys in needs.items()
        if keys
    ]


def _required(component: type[Component]) -> set[str]:
    return {name for name, required in component.config_fields().items() if required}
