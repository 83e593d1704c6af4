"""A policy's own texts, held against its own validators: what it says instead of an answer is an answer too."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator

from postil.plugins import Completion, ReleaseRef, RequestContext, Validator, Verdict
from postil.plugins.manager import PluginManager
from postil.registry.errors import PolicyError
from postil.registry.policy.policy import Built, Policy

_NOBODY = RequestContext(ReleaseRef("", "", 0), "", {"messages": []})


def check_own_answers(policy: Policy, built: Built, plugins: PluginManager) -> None:
    """Refuse a policy that serves a text of which a validator of its own fails a part. Raises PolicyError.

    Only validators with a window are asked: those judge any text, a part of an answer too, and never its form. Code of
    installed plugins is not run here.
    """
    judges = [
        (use.name, validator)
        for use, validator in built.validators
        if validator.scope.window is not None and plugins.is_builtin(type(validator)) and not validator.foreign
    ]
    for where, text in _texts(policy, built):
        for name, validator in judges:
            if reason := _failed(validator, text):
                raise PolicyError(
                    f"policy: {where} does not pass the policy's own validator {name} ({reason}); choose another text"
                )


def _texts(policy: Policy, built: Built) -> Iterator[tuple[str, str]]:
    """Every text that a policy serves, and where it stands."""
    for use in policy.validators:
        if use.on_fail in ("redact", "replace"):
            yield f"validators.{use.name}.replacement", use.replacement
    for rule_use, rule in built.fallbacks:
        content = getattr(rule.config, "content", None)
        if isinstance(content, str):
            yield f"fallback.{rule_use.name}.config.content", content


def _failed(validator: Validator, text: str) -> str | None:
    """Why a validator fails a text; None if it passes it, or cannot say so at once."""
    try:
        verdict = validator.judge(_NOBODY, Completion(text, "stop"))
    except Exception:  # As when it serves: it did not run, which says nothing of the text.
        return None
    if isinstance(verdict, Coroutine):
        verdict.close()  # Only what is told at once is asked.
        return None
    return (verdict.reason or "failed") if isinstance(verdict, Verdict) and not verdict.ok else None
