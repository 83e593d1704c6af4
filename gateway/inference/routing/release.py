"""A release made ready to be served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from postil.plugins import FallbackRule, InputCheck, ReleaseRef, Validator
from postil.plugins.contract import Component
from postil.plugins.manager import PluginManager
from postil.registry.db.tables import Release
from postil.registry.policy.policy import CheckUse, FallbackUse, Policy, ValidatorUse, build, policy_from


def engine_name(artifact: str) -> str:
    """The name of an artifact inside the engine: from its digest, so that no name ever means two things."""
    return "postil-" + artifact.removeprefix("sha256:")[:40]


class Recipe(NamedTuple):
    """What a release is made ready from."""

    domain: str
    adapter: str
    number: int
    artifact: str
    policy: dict[str, Any]
    calibration: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Servable:
    """A release made ready: its plugins are instantiated, its constraint is built."""

    ref: ReleaseRef
    artifact: str
    engine_name: str
    policy: Policy
    inputs: Sequence[tuple[CheckUse, InputCheck]]
    validators: Sequence[tuple[ValidatorUse, Validator]]
    fallbacks: Sequence[tuple[FallbackUse, FallbackRule]]
    # Those of installed plugins: they run in a process of the domain's own.
    isolated: frozenset[Component]
    constraint: Mapping[str, Any] | None
    needs_tokens: bool
    recipe: Recipe | None = field(default=None, compare=False, repr=False)


def recipe(release: Release) -> Recipe:
    """What to make it ready from."""
    return Recipe(
        release.domain, release.adapter, release.number, release.artifact, release.policy, release.calibration
    )


def make_servable(recipe: Recipe, plugins: PluginManager) -> Servable:
    """Instantiate the plugins of a release's policy. Raises PolicyError."""
    policy = policy_from(recipe.policy)
    built = build(policy, plugins, recipe.calibration)
    return Servable(
        ReleaseRef(recipe.domain, recipe.adapter, recipe.number),
        recipe.artifact,
        engine_name(recipe.artifact),
        policy,
        built.inputs,
        built.validators,
        built.fallbacks,
        frozenset(part for _, part in built.all() if not plugins.trusts(type(part))),
        policy.output.constraint() if policy.output else None,
        any(validator.needs_tokens for _, validator in built.validators),
        recipe,
    )
