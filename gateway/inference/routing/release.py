"""Loads a release: instantiates its plugins, builds its constraint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from postil.plugins import FallbackRule, InputCheck, ReleaseRef, Validator
from postil.plugins.manager import PluginManager
from postil.registry.policy.components import Recorded, check_pinned, mismatches
from postil.registry.policy.policy import ENGINE_ERROR, CheckUse, FallbackUse, Policy, ValidatorUse, build
from postil.registry.policy.stored import stored_policy


def engine_name(artifact: str) -> str:
    """The name of an artifact inside the engine: from its digest, so that no name ever means two things."""
    return "postil-" + artifact.removeprefix("sha256:")[:40]


class ReleaseSpec(NamedTuple):
    """What a release is loaded from: plain data that can travel to a worker."""

    domain: str
    adapter: str
    number: int
    artifact: str
    policy: dict[str, Any]
    policy_digest: str
    calibration: Mapping[str, float]
    components: Recorded = None
    # In seconds since 1970; 0 where nobody knows.
    created: int = 0
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class LoadedRelease:
    """A release made ready: its plugins are instantiated, its constraint is built.

    ``guarded``: its policy puts a prompt in front, fixes sampling or checks.
    """

    ref: ReleaseRef
    artifact: str
    engine_name: str
    policy: Policy
    inputs: Sequence[tuple[CheckUse, InputCheck]]
    validators: Sequence[tuple[ValidatorUse, Validator]]
    fallbacks: Sequence[tuple[FallbackUse, FallbackRule]]
    constraint: Mapping[str, Any] | None
    needs_tokens: bool
    guarded: bool
    spec: ReleaseSpec | None = field(default=None, compare=False, repr=False)
    # The domain whose policy falls back on this release of another one.
    fallback_for: str | None = field(default=None, compare=False)

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that must be allowed to have the weights loaded: its own, and the one that falls back on it."""
        own = self.ref.domain
        return (own,) if self.fallback_for in (None, own) else (own, self.fallback_for)


class StoredRelease(Protocol):
    """A release as the registry keeps it."""

    domain: str
    adapter: str
    number: int
    artifact: str
    policy: dict[str, Any]
    policy_digest: str
    calibration: dict[str, float]
    components: list[dict[str, str]] | None
    created_at: datetime
    warnings: list[str]


def release_spec(release: StoredRelease) -> ReleaseSpec:
    """The spec of a stored release."""
    return ReleaseSpec(
        release.domain,
        release.adapter,
        release.number,
        release.artifact,
        release.policy,
        release.policy_digest,
        release.calibration,
        release.components,
        _seconds(release.created_at),
        release.warnings,
    )


def _seconds(at: datetime) -> int:
    """SQLite gives times without their zone; all are in UTC."""
    return int((at.replace(tzinfo=UTC) if at.tzinfo is None else at).timestamp())


def load_release(spec: ReleaseSpec, plugins: PluginManager) -> LoadedRelease:
    """Instantiate the plugins of a release's policy.

    Raises PolicyError, also where it is pinned to other plugins or is not the policy that was published.
    """
    policy = stored_policy(spec.policy, spec.policy_digest)
    check_pinned(policy, mismatches(spec.components, plugins))
    built = build(policy, plugins, spec.calibration)
    return LoadedRelease(
        ReleaseRef(spec.domain, spec.adapter, spec.number),
        spec.artifact,
        engine_name(spec.artifact),
        policy,
        built.inputs,
        built.validators,
        built.fallbacks,
        policy.output.constraint() if policy.output else None,
        any(validator.needs_tokens for _, validator in built.validators),
        bool(policy.system_prompt or policy.sampling or built.inputs or built.validators),
        spec,
    )


def has_guardrails(release: LoadedRelease) -> bool:
    """Whether anything of a release's policy looks at requests or answers."""
    return bool(release.validators or release.inputs)


def falls_back_on_errors(release: LoadedRelease) -> bool:
    """Whether a policy says what is served where the engine fails."""
    return any(use.when is not None and ENGINE_ERROR in use.when for use, _ in release.fallbacks)
