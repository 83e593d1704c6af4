"""The JSON Schema of policy.yaml, for editors: it knows every installed validator and fallback rule.

What a gateway takes, the schema takes, but for one thing: a plugin's number may stand in quotes, and editors will mark
it. What can be said of one value against another only by looking at both (a validator named twice, a ``reject`` that
is among the labels) is left to ``postil policy check``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from postil.plugins.contract import Component
from postil.plugins.manager import PluginManager
from postil.registry.policy import NOT_SAMPLING, OUTPUT_KEYS, Policy

DIALECT = "https://json-schema.org/draft/2020-12/schema"
IDENTITY = "urn:postil:policy"
Schema = dict[str, Any]

_SAYS: Mapping[str, str] = {
    "system_prompt": "Stands before every conversation; the one that the adapter was trained with.",
    "sampling": "In force whatever a client sends, such as max_tokens: 32. Any sampling parameter of vLLM.",
    "defaults": "In force where the client is silent, such as temperature: 0. Any sampling parameter of vLLM.",
    "validators": "They judge each answer, in this order.",
    "fallback": "What is served where a validator did not pass: the first rule that has an answer gives it.",
}
_HAS_LABELS: Schema = {"required": ["labels"], "properties": {"labels": {"type": "array"}}}
_HAS_SCHEMA: Schema = {"required": ["json_schema"], "properties": {"json_schema": {"type": "object"}}}


def policy_schema(plugins: PluginManager) -> Schema:
    """The schema of a policy that may name what these plugins offer."""
    policy = Policy.model_json_schema()
    definitions: Schema = policy["$defs"]
    names = {kind: [offer.name for offer in plugins.offers() if offer.kind == kind] for kind in _kinds()}
    validators = [plugins.validator(name) for name in names["validator"]]
    rules = [plugins.fallback_rule(name) for name in names["fallback rule"]]
    _refine_policy(policy)
    _refine_output(definitions["Output"])
    _refine_when(definitions["FallbackUse"], names["validator"])
    for use, kinds in (("ValidatorUse", validators), ("FallbackUse", rules)):
        definitions[use] = _one_of(definitions[use], kinds, definitions, given=use == "ValidatorUse")
    policy["allOf"] = [_without_labels(kind) for kind in validators if _needs(kind, OUTPUT_KEYS)]
    return {"$schema": DIALECT, "$id": IDENTITY, **policy}


def _kinds() -> tuple[str, str]:
    return "validator", "fallback rule"
