"""The policy: how an adapter answers. Part of a release, so that rolling back takes behaviour back too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from postil.plugins.contract import FallbackRule, Validator
from postil.plugins.errors import PluginError
from postil.plugins.manager import PluginManager
from postil.registry.errors import PolicyError

MAX_POLICY_BYTES = 256 * 1024
# What decides who answers, or how the answer is cut up, belongs to the request and not to a policy.
NOT_SAMPLING = frozenset(
    {"model", "messages", "prompt", "stream", "stream_options", "n", "cache_salt", "user", "logprobs",
     "top_logprobs", "tools", "tool_choice", "response_format", "structured_outputs"}
)


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases, a few lines of which can stand for gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not taken; write the value out")
        return super().compose_node(parent, index)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Output(_Part):
    """What an answer may be: one of ``labels`` (as ``{"<field>": "<label>"}``), or JSON after ``json_schema``.

    ``reject`` is one more value that decoding allows, for an adapter that was trained to say it of what no label fits:
    the constraint leaves it somewhere else to go, and ``confidence`` sees that it went there.
    """

    labels: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] | None = None
    field: Annotated[str, Field(min_length=1, max_length=100)] = "category"
    reject: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    json_schema: dict[str, JsonValue] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Output:
        if (self.labels is None) == (self.json_schema is None):
            raise ValueError("output takes labels or json_schema, one of the two")
        if self.labels is not None and len(set(self.labels)) != len(self.labels):
            raise ValueError("output.labels names a label twice")
        if self.labels == ():
            raise ValueError("output.labels is empty")
        if self.reject is not None and (self.labels is None or self.reject in self.labels):
            raise ValueError("output.reject is a value beside labels, and none of them")
        return self

    def constraint(self) -> dict[str, Any]:
        """The value of vLLM's ``structured_outputs`` that enforces this in decoding."""
        if self.labels is not None:
            rejects = () if self.reject is None else (self.reject,)
            return {"choice": [json.dumps({self.field: label}) for label in (*self.labels, *rejects)]}
        return {"json": self.json_schema}


class Use(_Part):
    """A plugin by its name, with its configuration."""

    name: str
    config: dict[str, JsonValue] = Field(default_factory=dict)


class ValidatorUse(Use):
    """A validator in force. ``if_not_run``: what a validator that raised means; ``fail`` unless said otherwise."""

    if_not_run: Literal["fail", "pass"] = "fail"


class FallbackUse(Use):
    """A fallback rule, for the validators named in ``when``; for all of them where it is left out."""

    when: tuple[str, ...] | None = None


class Policy(_Part):
    """How an adapter answers.

    ``sampling`` is in force whatever a client sends (``max_tokens: 32``); ``defaults`` hold where the client is
    silent (``temperature: 0``). Both take any sampling parameter of vLLM.
    """

    system_prompt: str | None = None
    sampling: dict[str, JsonValue] = Field(default_factory=dict)
    defaults: dict[str, JsonValue] = Field(default_factory=dict)
    output: Output | None = None
    validators: tuple[ValidatorUse, ...] = ()
    fallback: tuple[FallbackUse, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Policy:
        wrong = NOT_SAMPLING & (set(self.sampling) | set(self.defaults))
        if wrong:
            raise ValueError(f"{sorted(wrong)[0]} is no sampling parameter; leave it to the request")
        named = {use.name for use in self.validators}
        if len(named) != len(self.validators):
            raise ValueError("validators names one validator twice")
        for rule in self.fallback:
            missing = set(rule.when or ()) - named
            if missing:
                raise ValueError(f"fallback names {sorted(missing)[0]!r}, which is not among the validators")
        self.canonical()  # NaN and numbers of thousands of digits have no JSON: a ValueError here, and not later.
        if any("\ud800" <= character <= "\udfff" for character in json.dumps(self.model_dump(), ensure_ascii=False)):
            raise ValueError("it holds half of a pair of characters, which is no text; leave it out")
        return self

    def canonical(self) -> str:
        """The one JSON text of this policy: sorted keys, nothing that is left at its default."""
        return json.dumps(self.model_dump(mode="json", exclude_defaults=True), sort_keys=True, allow_nan=False)

    def digest(self) -> str:
        """``sha256:`` of the canonical text: two policies that say the same have the same digest."""
        return "sha256:" + hashlib.sha256(self.canonical().encode()).hexdigest()


def parse_policy(text: str | bytes) -> Policy:
    """Read a policy from YAML (or JSON, which is YAML). Raises PolicyError in one sentence."""
    if len(text) > MAX_POLICY_BYTES:
        raise PolicyError(f"the policy is larger than {MAX_POLICY_BYTES // 1024} KiB; shorten it")
    try:
        values = yaml.load(text, _PlainLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise PolicyError(f"the policy is not YAML: {' '.join(str(error).split())}") from error
    except (LookupError, AttributeError) as error:  # That is how PyYAML complains of `!!bool perhaps`.
        raise PolicyError("the policy is not YAML: a value does not fit its !!tag; leave the tag out") from error
    return policy_from({} if values is None else values)


def policy_from(values: object) -> Policy:
    """Make a policy from plain data. Raises PolicyError in one sentence."""
    if not isinstance(values, Mapping):
        raise PolicyError("the policy is not a mapping; begin with a key such as system_prompt:")
    try:
        return Policy.model_validate(values)
    except ValidationError as error:
        raise PolicyError(f"policy: {_first(error)}") from error


def build(
    policy: Policy, plugins: PluginManager
) -> tuple[Sequence[tuple[ValidatorUse, Validator]], Sequence[tuple[FallbackUse, FallbackRule]]]:
    """Make the validators and fallback rules that ``policy`` names, in its order.

    Raises PolicyError if one is not installed or its configuration does not fit.
    """
    try:
        validators = [
            (use, kind.from_mapping(_with_output(use, kind, policy.output)))
            for use, kind in [(use, plugins.validator(use.name)) for use in policy.validators]
        ]
        rules = [(use, plugins.fallback_rule(use.name).from_mapping(use.config)) for use in policy.fallback]
    except PluginError as error:
        raise PolicyError(f"policy: {error}") from error
    return validators, rules


def _with_output(use: Use, kind: type[Validator], output: Output | None) -> Mapping[str, Any]:
    """Labels stand once in a policy: what a validator can be told of them and is not, it takes from ``output``."""
    if output is None or output.labels is None:
        return use.config
    known = {"labels": output.labels, "field": output.field, "reject": output.reject}
    return {key: value for key, value in known.items() if key in kind.Config.model_fields} | use.config


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
