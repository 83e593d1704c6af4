"""The JSON Schema of policy.yaml, for editors: it knows every installed input check, validator and fallback rule.

What a gateway takes, the schema takes, but for one thing: a number may stand in quotes, and editors will mark it. What
can be said of one value only by looking at another (a validator named twice, a ``reject`` that is among the labels) or
by asking the plugin is left to ``postil policy check``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from postil.plugins.contract import Component
from postil.plugins.manager import PluginManager
from postil.registry.policy.policy import NOT_SAMPLING, REASONS, Policy

DIALECT = "https://json-schema.org/draft/2020-12/schema"
IDENTITY = "urn:postil:policy"
Schema = dict[str, Any]

_SAYS: Mapping[str, str] = {
    "system_prompt": "Stands before every conversation: the instruction that the adapter was trained with.",
    "sampling": "In force whatever a client sends, such as max_tokens: 32. Any sampling parameter of vLLM.",
    "defaults": "In force where the client is silent, such as temperature: 0. Any sampling parameter of vLLM.",
    "input": "They look at every request before the model does, in this order.",
    "validators": "They judge every answer, in this order.",
    "fallback": "What is served where a check did not pass: the first rule that has an answer gives it.",
    "output": "What an answer may be: one of some labels, or JSON that fits a schema; unset, any text.",
    "reviews": "How people review answers of this adapter.",
    "pinned": "Where a plugin is not of the version that it had at publish: warn serves the release, strict does not.",
}
# Which part of a policy names which kind of plugin.
_USES = {"CheckUse": "input check", "ValidatorUse": "validator", "FallbackUse": "fallback rule"}
# What ``registry.policy.build`` gives a validator out of ``output``, where the validator does not say it itself.
_FROM_OUTPUT = frozenset({"labels", "field", "reject"})
_LABELS: Schema = {"required": ["labels"], "properties": {"labels": {"type": "array"}}}
_JSON: Schema = {"required": ["json_schema"], "properties": {"json_schema": {"type": "object"}}}


def policy_schema(plugins: PluginManager) -> Schema:
    """The schema of a policy that may name what these plugins offer."""
    found: dict[str, list[type[Component]]] = {kind: [] for kind in _USES.values()}
    for offer in plugins.list_components():
        if offer.kind in found:
            found[offer.kind].append(plugins.component(offer.kind, offer.name))
    schema = Policy.model_json_schema()
    parts = schema["$defs"]
    _refine_policy(schema["properties"])
    _refine_output(parts["Output"])
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


def _refine_output(output: Schema) -> None:
    """What its model checks by code: labels or a schema, one of the two, and ``reject`` only beside labels."""
    output["properties"]["labels"]["anyOf"][0] |= {"minItems": 1, "uniqueItems": True}
    output["oneOf"] = [_LABELS, _JSON]
    output["if"] = {"required": ["reject"], "properties": {"reject": {"type": "string"}}}
    output["then"] = _LABELS


def _one_of(use: Schema, kind: str, components: Sequence[type[Component]], parts: Schema) -> Schema:
    """The schema of a list's items: told apart by ``name``, each with its own configuration."""
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
    """A plugin's schema; what it defines of its own moves to ``parts``, under names that no other plugin's has."""
    prefix = f"{kind}.{component.name}."
    pointer = "#/$defs/" + quote(prefix.replace("~", "~0").replace("/", "~1"), safe="")
    config = component.config_schema(pointer + "{model}")
    own = config.pop("$defs", {})
    parts.update({prefix + name: part for name, part in own.items()})
    # One that holds itself is nothing but a reference.
    return dict(own[config["$ref"].removeprefix(pointer)]) if "$ref" in config else config


def _without_labels(validators: Sequence[type[Component]]) -> list[Schema]:
    """What validators have to be told themselves where ``output`` has no labels to take it from."""
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
