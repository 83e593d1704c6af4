"""The policy of an adapter's answers. It is part of a release, so that a rollback restores behaviour too."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator
from pydantic.json_schema import SkipJsonSchema

from postil.plugins.contract import Component, FallbackRule, InputCheck, Validator
from postil.plugins.errors import PluginError
from postil.plugins.manager import PluginManager
from postil.plugins.texts import label_answer
from postil.registry.errors import PolicyError
from postil.registry.policy.complaints import first_complaint
from postil.registry.policy.digest import canonical, digest_of
from postil.registry.policy.old_forms import refuse_old_forms

MAX_POLICY_BYTES = 256 * 1024
# Enough for the line breaks and indents that an adapter may have learned.
_MOST_BLANKS = 8
# These choose who answers or how the answer is split; they belong to the request, not to a policy.
NOT_SAMPLING = frozenset(
    {
        "model",
        "messages",
        "prompt",
        "stream",
        "stream_options",
        "n",
        "cache_salt",
        "user",
        "logprobs",
        "top_logprobs",
        "tools",
        "tool_choice",
        "response_format",
        "structured_outputs",
    }
)


# Conditions of a fallback rule, in addition to the checks that a policy names.
DID_NOT_RUN, ENGINE_ERROR = "did_not_run", "engine_error"
REASONS = frozenset({DID_NOT_RUN, ENGINE_ERROR})
WEBHOOK_NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"


class PlainLoader(yaml.SafeLoader):
    """YAML without aliases, because a few lines of them can expand to gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node. Raises MarkedYAMLError for an alias."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not allowed; write the value out")
        return super().compose_node(parent, index)


_Label = Annotated[str, Field(min_length=1, max_length=200)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Output(_Part):
    """The allowed answers: one of ``labels`` (as ``{"<field>": "<label>"}``), or JSON that matches ``json_schema``.

    ``reject`` is an extra value that decoding allows, for an adapter that was trained to give it for messages that fit
    no label. The ``confidence`` validator treats it as a failed answer.
    """

    labels: Annotated[tuple[_Label, ...] | None, Field(description="The values that an answer may have.")] = None
    field: Annotated[str, Field(min_length=1, max_length=100, description="The key that holds the label.")] = "category"
    reject: Annotated[_Label | None, Field(description="An extra value for messages that fit no label.")] = None
    json_schema: Annotated[
        dict[str, JsonValue] | None, Field(description="The JSON Schema that an answer must match.")
    ] = None

    @model_validator(mode="after")
    def _one_kind(self) -> Output:
        if (self.labels is None) == (self.json_schema is None):
            raise ValueError("output takes labels or json_schema, one of the two")
        if self.labels is not None and len(set(self.labels)) != len(self.labels):
            raise ValueError("output.labels names a label twice")
        if self.labels == ():
            raise ValueError("output.labels is empty")
        if self.reject is not None and (self.labels is None or self.reject in self.labels):
            raise ValueError("output.reject needs labels and must not be one of them")
        return self

    def constraint(self) -> dict[str, Any]:
        """The value of vLLM's ``structured_outputs`` that enforces this in decoding."""
        if self.labels is not None:
            rejects = () if self.reject is None else (self.reject,)
            return {"choice": [label_answer(self.field, label) for label in (*self.labels, *rejects)]}
        # As a tag, because only there vLLM lets blanks between values be bounded: a model can lose itself in them.
        form = {"type": "json_schema", "json_schema": self.json_schema, "max_whitespace_cnt": _MOST_BLANKS}
        return {"structural_tag": json.dumps({"type": "structural_tag", "format": form})}


class Use(_Part):
    """A plugin by name, with its configuration."""

    name: str = Field(description="The plugin's name, as `postil plugins` shows it.")
    config: dict[str, JsonValue] = Field(default_factory=dict, description="The plugin's own configuration.")


class CheckUse(Use):
    """A check that runs. ``if_not_run`` applies if it raised an error or exceeded ``deadline_ms``."""

    if_not_run: Annotated[Literal["fail", "pass"], Field(description="The result of a check that did not run.")] = (
        "fail"
    )
    deadline_ms: Annotated[int, Field(ge=1, le=600_000, description="Time limit of one call, in milliseconds.")] = 1000


class ValidatorUse(CheckUse):
    """A validator that runs.

    ``on_fail``: ``fallback`` buffers the whole answer until it has passed. ``stop``, ``redact`` and ``replace`` stream
    the answer behind the validator's window: on a failure the answer ends before the failing part, goes on with
    ``replacement`` in place of that part, or ends with ``replacement``.
    """

    on_fail: Annotated[
        Literal["fallback", "stop", "redact", "replace"], Field(description="What to do with an answer that fails.")
    ] = "fallback"
    replacement: Annotated[str, Field(max_length=2000, description="The text for `redact` and `replace`.")] = (
        "[removed]"
    )


class FallbackUse(Use):
    """A fallback rule for the conditions in ``when``; without ``when`` it applies to every failed check.

    ``when`` names validators and input checks of this policy, ``did_not_run`` (any of them) or ``engine_error``.
    """

    when: Annotated[tuple[str, ...] | None, Field(description="The failures that the rule is for; unset, all.")] = None


class ReviewRules(_Part):
    """Review settings: the ``webhook`` to notify, a default assignee, which passed answers are audited, and how long
    reviews are kept.
    """

    webhook: Annotated[
        # A URL is what releases from before webhooks had names say; a policy with one is not published again.
        Annotated[str, Field(pattern=rf"{WEBHOOK_NAME}|^https?://\S+$", max_length=2000)] | None,
        Field(description="The name of the webhook that decisions are posted to; see `postil webhooks list`."),
    ] = None
    assign_to: Annotated[_Label | None, Field(description="The person that new reviews are assigned to.")] = None
    audit_percent: Annotated[float, Field(ge=0, le=100, description="Percentage of passed answers to review.")] = 0.0
    keep_days: Annotated[
        int | None, Field(ge=1, le=3650, description="Days to keep reviews; unset or longer, the gateway's.")
    ] = None
    # The former name, in policies that are stored already: they keep their digest.
    sample: SkipJsonSchema[Annotated[float, Field(ge=0, le=100)]] = 0.0

    @property
    def audited(self) -> float:
        """The percentage of passed answers to review, under either name."""
        return self.audit_percent or self.sample


class Policy(_Part):
    """The rules for an adapter's answers.

    ``sampling`` overrides the client's parameters (``max_tokens: 32``); ``defaults`` apply if the client sets none
    (``temperature: 0``). Both take any sampling parameter of vLLM.

    ``pinned`` applies if a plugin's version differs from that at publish: ``warn`` serves the release with a warning,
    ``strict`` does not serve it.
    """

    system_prompt: str | None = None
    sampling: dict[str, JsonValue] = Field(default_factory=dict)
    defaults: dict[str, JsonValue] = Field(default_factory=dict)
    output: Output | None = None
    input: tuple[CheckUse, ...] = ()
    validators: tuple[ValidatorUse, ...] = ()
    fallback: tuple[FallbackUse, ...] = ()
    reviews: ReviewRules = ReviewRules()
    pinned: Literal["strict", "warn"] = "warn"

    @model_validator(mode="after")
    def _consistent(self) -> Policy:
        wrong = NOT_SAMPLING & (set(self.sampling) | set(self.defaults))
        if wrong:
            raise ValueError(f"{sorted(wrong)[0]} is no sampling parameter; leave it to the request")
        for where, uses in (("input", self.input), ("validators", self.validators)):
            if len({use.name for use in uses}) != len(uses):
                raise ValueError(f"{where} names one plugin twice")
        named = {use.name for use in (*self.input, *self.validators)} | REASONS
        for rule in self.fallback:
            missing = set(rule.when or ()) - named
            if missing:
                raise ValueError(f"fallback names {sorted(missing)[0]!r}, which is none of the policy's checks")
        self.canonical()  # NaN and very long numbers have no JSON form: fail here with a ValueError.
        if any("\ud800" <= character <= "\udfff" for character in json.dumps(self.model_dump(), ensure_ascii=False)):
            raise ValueError("it holds half of a pair of characters, which is no text; leave it out")
        return self

    def canonical(self) -> str:
        """The canonical JSON text of this policy: sorted keys, defaults left out."""
        return canonical(self.model_dump(mode="json", exclude_defaults=True))

    def digest(self) -> str:
        """``sha256:`` of the canonical text; equal policies have equal digests."""
        return digest_of(self.model_dump(mode="json", exclude_defaults=True))


_PARTS: Mapping[str, type[BaseModel]] = {
    "output": Output,
    "input": CheckUse,
    "validators": ValidatorUse,
    "fallback": FallbackUse,
    "reviews": ReviewRules,
}


def parse_policy(text: str | bytes) -> Policy:
    """Parse a policy to publish from YAML (or JSON, which is YAML). Raises PolicyError with one sentence."""
    if len(text) > MAX_POLICY_BYTES:
        raise PolicyError(f"the policy is larger than {MAX_POLICY_BYTES // 1024} KiB; shorten it")
    try:
        values = yaml.load(text, PlainLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise PolicyError(f"the policy is not YAML: {' '.join(str(error).split())}") from error
    except (LookupError, AttributeError) as error:  # PyYAML's error for `!!bool perhaps`.
        raise PolicyError("the policy is not YAML: a value does not fit its !!tag; leave the tag out") from error
    refuse_old_forms(values)
    return policy_from({} if values is None else values)


def policy_from(values: object) -> Policy:
    """Build a policy from plain data. Raises PolicyError with one sentence."""
    if not isinstance(values, Mapping):
        raise PolicyError("the policy is not a mapping; begin with a key such as system_prompt:")
    try:
        return Policy.model_validate(values)
    except ValidationError as error:
        raise PolicyError(f"policy: {first_complaint(error, Policy, _PARTS)}") from error


@dataclass(frozen=True, slots=True)
class Built:
    """The plugins of a policy, ready to use, in the policy's order."""

    inputs: Sequence[tuple[CheckUse, InputCheck]]
    validators: Sequence[tuple[ValidatorUse, Validator]]
    fallbacks: Sequence[tuple[FallbackUse, FallbackRule]]

    def all(self) -> Iterator[tuple[Use, Component]]:
        """Yield all of them."""
        yield from self.inputs
        yield from self.validators
        yield from self.fallbacks


def build(policy: Policy, plugins: PluginManager, calibration: Mapping[str, float] = MappingProxyType({})) -> Built:
    """Create the plugins that ``policy`` names, with the release's calibration.

    Raises PolicyError if one is not installed, its configuration is invalid, or it cannot be used in this way.
    """
    try:
        inputs = [(use, plugins.make(plugins.input_check(use.name), use.config)) for use in policy.input]
        validators = [
            (use, plugins.make(kind, _completed(use, kind, policy.output, calibration)))
            for use, kind in [(use, plugins.validator(use.name)) for use in policy.validators]
        ]
        rules = [(use, plugins.make(plugins.fallback_rule(use.name), use.config)) for use in policy.fallback]
    except PluginError as error:
        raise PolicyError(f"policy: {error}") from error
    for use, validator in validators:
        if use.on_fail != "fallback" and validator.scope.window is None:
            raise PolicyError(
                f"policy: {use.name} needs the whole answer, so on_fail: {use.on_fail} is not possible; leave it out"
            )
    return Built(inputs, validators, rules)


def _completed(
    use: Use, kind: type[Validator], output: Output | None, calibration: Mapping[str, float]
) -> Mapping[str, Any]:
    """Complete a validator's configuration with the allowed answers from ``output`` and with the calibration."""
    known: dict[str, Any] = dict(calibration)
    if output is not None and output.labels is not None:
        known |= {"labels": output.labels, "field": output.field, "reject": output.reject}
    elif output is not None:
        known |= {"json_schema": output.json_schema}
    fields = kind.config_fields()
    return {key: value for key, value in known.items() if key in fields} | use.config
