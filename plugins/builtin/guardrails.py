"""``guardrails``: runs a validator of Guardrails AI, where the package ``guardrails-ai`` is installed beside postil.

Its verdict is taken and nothing else: what it would put in the answer's place is not, and its ``on_fail`` never comes
into play, because what happens then is the policy's. Its validators can be slow, load models, or ask a service of
theirs: they run in their domain's process, and the policy's ``deadline_ms`` has to be long enough for the first answer
too.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, JsonValue

from postil.plugins.contract import Config, Validator
from postil.plugins.errors import ConfigError
from postil.plugins.hookspecs import hookimpl
from postil.plugins.texts import merged
from postil.plugins.types import Completion, RequestContext, Verdict

# A policy names a module to import: only those that hold validators can be.
_MODULES = r"^(guardrails|guardrails_ai)(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"


class GuardrailsConfig(Config):
    """``validator``: where its class is, as ``guardrails_ai.detect_pii:DetectPII``.

    ``arguments`` are those of its constructor, ``metadata`` is handed to it with each answer. ``reason`` is said in
    place of its own message, which may quote what it found, and the client may read it.
    """

    validator: Annotated[str, Field(pattern=_MODULES, max_length=300)]
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    reason: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class Guardrails(Validator):
    """Passes what the validator passes. A result that is neither a pass nor a failure means that it did not run."""

    name = "guardrails"
    Config = GuardrailsConfig
    blocking = True
    foreign = True

    def __init__(self, config: GuardrailsConfig) -> None:
        super().__init__(config)
        self._validator = _made(config.validator, config.arguments)

    def judge(self, context: RequestContext, completion: Completion) -> Verdict:
        """Ask it about the answer's text."""
        result = self._validator.validate(completion.text, dict(self.config.metadata))
        outcome = getattr(result, "outcome", None)
        if outcome == "pass":
            return Verdict.passed()
        if outcome != "fail":
            raise TypeError(f"it returned {type(result).__name__}, which is no result")
        spans = [(span.start, span.end) for span in result.error_spans or ()]
        return Verdict.failed(self.config.reason or str(result.error_message)[:200], merged(spans))


def _made(path: str, arguments: Mapping[str, Any]) -> Any:
    """An instance of the class at ``package.module:Class``. Raises ConfigError."""
    base = _class("guardrails.validator_base:Validator")
    found = _class(path)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ConfigError(f"guardrails: {path} is no validator of Guardrails AI; name a class that is")
    try:
        return found(**arguments, on_fail="noop")
    except Exception as error:
        raise ConfigError(
            f"guardrails: {path} cannot be made with these arguments ({type(error).__name__}: {error})"
        ) from error


def _class(path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        # The second is how a validator's own package comes: named after its module.
        package = "guardrails-ai" if module.startswith("guardrails.") else module.replace(".", "-").replace("_", "-")
        raise ConfigError(
            f"guardrails: {module} is not installed ({error}); run `pip install {package}` where the gateway runs"
        ) from error
    except AttributeError as error:
        raise ConfigError(f"guardrails: {module} has no {name}; look up how its class is called") from error


@hookimpl
def postil_validators() -> Sequence[type[Validator]]:
    """Offer ``guardrails``."""
    return [Guardrails]
