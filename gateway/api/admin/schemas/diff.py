"""The response that compares two releases."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from postil.gateway.api.admin.schemas.adapters import Release, show_release
from postil.plugins.manager import PluginManager
from postil.registry.releases.diff import diff, policy, weights


class PolicyChange(msgspec.Struct, kw_only=True):
    """A difference in the policy; ``before`` or ``after`` is absent if there is no value (null is a value).

    ``lines`` are those of a unified diff, for long texts.
    """

    path: str
    before: Any | UnsetType = UNSET
    after: Any | UnsetType = UNSET
    lines: list[str] | UnsetType = UNSET


class Fact(msgspec.Struct, kw_only=True):
    """A figure or setting of both releases, and the change of a number; null if unknown."""

    name: str
    before: Any
    after: Any
    change: float | None


class KindChange(msgspec.Struct, kw_only=True):
    """Modules of one kind that changed in the same way.

    ``a``, ``b`` and ``update`` are relative differences of the two LoRA factors and of their product.
    """

    kind: str
    state: str
    layers: str
    modules: int
    a: float | None
    b: float | None
    update: float | None


class ModuleChange(msgspec.Struct, kw_only=True):
    """One module, with the fields of ``KindChange``."""

    module: str
    state: str
    a: float | None
    b: float | None
    update: float | None


class ReleaseDiff(msgspec.Struct, kw_only=True):
    """The differences between two releases.

    ``same_validation`` says whether both were measured on the same validation set; null if unknown. ``problem`` says
    why the files could not be compared; the fields that come from the files are then empty.
    """

    from_: Release = msgspec.field(name="from")
    to: Release
    policy: list[PolicyChange]
    metrics: list[Fact]
    same_validation: bool | None
    adapter: list[Fact]
    kinds: list[KindChange]
    modules: list[ModuleChange]
    problem: str | None


def show_diff(found: diff.ReleaseDiff, plugins: PluginManager) -> ReleaseDiff:
    """Convert the differences between two releases."""
    return ReleaseDiff(
        from_=show_release(found.before, plugins),
        to=show_release(found.after, plugins),
        policy=[_change(change) for change in found.policy],
        metrics=[_fact(fact) for fact in found.metrics],
        same_validation=found.same_validation,
        adapter=[_fact(fact) for fact in found.adapter],
        kinds=[_kind(kind) for kind in found.kinds],
        modules=[_module(module) for module in found.modules],
        problem=found.problem,
    )


def _change(change: policy.Change) -> PolicyChange:
    lines = change.lines()
    return PolicyChange(
        path=change.path,
        before=UNSET if change.before is policy.ABSENT else change.before,
        after=UNSET if change.after is policy.ABSENT else change.after,
        lines=list(lines) if lines else UNSET,
    )


def _fact(fact: diff.Fact) -> Fact:
    return Fact(name=fact.name, before=fact.before, after=fact.after, change=fact.change)


def _kind(kind: weights.KindChange) -> KindChange:
    return KindChange(
        kind=kind.kind,
        state=kind.state,
        layers=kind.layers,
        modules=kind.modules,
        a=_rounded(kind.a),
        b=_rounded(kind.b),
        update=_rounded(kind.update),
    )


def _module(module: weights.ModuleChange) -> ModuleChange:
    return ModuleChange(
        module=module.module, state=module.state, a=_moved(module.a), b=_moved(module.b), update=_moved(module.update)
    )


def _moved(norms: weights.Norms | None) -> float | None:
    return _rounded(norms.relative) if norms else None


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 6)
