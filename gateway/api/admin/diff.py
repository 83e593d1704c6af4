"""``/api/v1/diff``: two releases side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from litestar import get
from litestar.params import QueryParameter

from postil.gateway.api.admin import schemas as views
from postil.gateway.api.admin.auth import check_domain
from postil.gateway.api.admin.params import AnyRequest
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.errors import StateConflictError
from postil.gateway.tenancy.denied_attempts import DeniedAttempts
from postil.gateway.tenancy.permissions import Permission
from postil.plugins import ReleaseRef
from postil.plugins.manager import PluginManager
from postil.registry.names import AdapterName, parse_release
from postil.registry.releases.diff.diff import Fact, ReleaseDiff, diff
from postil.registry.releases.diff.policy import ABSENT, Change
from postil.registry.releases.diff.weights import KindChange, ModuleChange, Norms
from postil.registry.releases.service import Registry


def compare_routes(registry: RegistryHandle, plugins: PluginManager, denied: DeniedAttempts) -> list[Any]:
    """The routes that compare."""

    @get("/diff", may=Permission.SEE)
    async def compare(
        request: AnyRequest,
        to: Annotated[str, QueryParameter()],
        from_: Annotated[str | None, QueryParameter(name="from")] = None,
    ) -> dict[str, Any]:
        after = parse_release(to)
        before = None if from_ is None else parse_release(from_)
        for ref in filter(None, (before, after)):
            check_domain(denied, request, Permission.SEE, ref.domain)
        # Artifacts are hashed and tensors compared: nothing that the event loop may wait for.
        return _view(await asyncio.to_thread(_compare, registry.get(), before, after), plugins)

    return [compare]


def _compare(registry: Registry, before: ReleaseRef | None, after: ReleaseRef) -> ReleaseDiff:
    newer = registry.release(after)
    older = registry.release(before or _live(registry, after))
    return diff(older, newer, registry.artifacts)


def _live(registry: Registry, ref: ReleaseRef) -> ReleaseRef:
    """The release that ``ref`` would take over from. Raises StateConflictError if there is none."""
    name = AdapterName(ref.domain, ref.adapter)
    live = registry.state(name).live
    if live is None:
        raise StateConflictError(f"no release of {name} is live to compare {ref} with; name two releases")
    if live == ref.number:
        raise StateConflictError(f"{ref} is the live release itself; name a second one to compare it with")
    return name.release(live)


def _view(found: ReleaseDiff, plugins: PluginManager) -> dict[str, Any]:
    return {
        "from": views.release(found.before, plugins),
        "to": views.release(found.after, plugins),
        "policy": [_change(change) for change in found.policy],
        "metrics": [_fact(fact) for fact in found.metrics],
        "same_validation": found.same_validation,
        "adapter": [_fact(fact) for fact in found.adapter],
        "kinds": [_kind(kind) for kind in found.kinds],
        "modules": [_module(module) for module in found.modules],
        "problem": found.problem,
    }


def _change(change: Change) -> dict[str, Any]:
    """``before`` or ``after`` is left out where there is no value; null is one."""
    values = {"before": change.before, "after": change.after}
    lines: Sequence[str] = change.lines()
    return {
        "path": change.path,
        **{key: value for key, value in values.items() if value is not ABSENT},
        **({"lines": lines} if lines else {}),
    }


def _fact(fact: Fact) -> dict[str, Any]:
    return {"name": fact.name, "before": fact.before, "after": fact.after, "change": fact.change}


def _kind(kind: KindChange) -> dict[str, Any]:
    return {
        "kind": kind.kind,
        "state": kind.state,
        "layers": kind.layers,
        "modules": kind.modules,
        "a": _rounded(kind.a),
        "b": _rounded(kind.b),
        "update": _rounded(kind.update),
    }


def _module(module: ModuleChange) -> dict[str, Any]:
    norms: dict[str, Norms | None] = {"a": module.a, "b": module.b, "update": module.update}
    moved = {key: _rounded(value.relative) if value else None for key, value in norms.items()}
    return {"module": module.module, "state": module.state, **moved}


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 6)
