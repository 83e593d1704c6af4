"""What vLLM 0.32 says of constraints and sampling that it does not take: as strict as the real one is."""

from __future__ import annotations

import json
from typing import Any

from postil.registry.errors import GrammarError
from postil.registry.policy.grammars.schemas import checked_parts

Json = dict[str, Any]
_KINDS = ("json", "regex", "choice", "grammar", "json_object", "structural_tag")
# Bounds of parameters, as vLLM's SamplingParams has them.
_BOUNDS = {
    "temperature": (0, 2),
    "top_p": (1e-9, 1),
    "min_p": (0, 1),
    "presence_penalty": (-2, 2),
    "max_tokens": (1, 2**31),
}


def refused_constraint(body: Json) -> str | None:
    """What it says of a request's constraint, None where it takes it."""
    return _of_sampling(body) or _of_outputs(body)


def _of_sampling(body: Json) -> str | None:
    for name, (least, most) in _BOUNDS.items():
        value = body.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            return f"{name}: Input should be a valid number"
        if value is not None and not least <= value <= most:
            return f"{name} must be in [{least}, {most}], got {value}."
    if body.get("stop") is not None and not isinstance(body["stop"], str | list):
        return "stop: Input should be a valid string"
    return None


def _of_outputs(body: Json) -> str | None:
    outputs = body.get("structured_outputs")
    if outputs is None:
        return None
    kinds = [kind for kind in _KINDS if outputs.get(kind) is not None]
    if len(kinds) != 1:
        return f"You can only use one kind of structured outputs constraint but {len(kinds)} are specified"
    if kinds == ["choice"] and not outputs["choice"]:
        return "Choice '[]' cannot be an empty list"
    schema = outputs.get("json")
    if kinds == ["structural_tag"]:
        try:
            schema = json.loads(outputs["structural_tag"]).get("format", {}).get("json_schema")
        except ValueError:
            return "Invalid structural tag specification."
    if schema is None:
        return None
    try:
        checked_parts(json.loads(schema) if isinstance(schema, str) else schema)
    except (ValueError, GrammarError) as error:
        return f"Failed to transform json schema into a grammar: {error}"
    return None


def refused_tools(body: Json, *, parsed: bool) -> str | None:
    """What it says where a tool may be called and it was started without a parser for that."""
    choice = body.get("tool_choice", "auto") if body.get("tools") else None
    if parsed or choice in (None, "none"):
        return None
    if choice == "auto":
        return '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
    named = f'function "{choice["function"]["name"]}"' if isinstance(choice, dict) else f'"{choice}"'
    return f"tool_choice={named} requires --tool-call-parser to be set"
