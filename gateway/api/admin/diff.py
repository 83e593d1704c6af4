"""``/api/v1/diff``: compare two releases."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import get
from litestar.params import QueryParameter

from postil.gateway.api.admin.auth import check_domain
from postil.gateway.api.admin.params import AnyRequest, actor
from postil.gateway.api.admin.schemas.diff import ReleaseDiff, show_diff
from postil.gateway.api.documented_errors import problems
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.errors import StateConflictError
from postil.gateway.tenancy.denied_attempts import DeniedAttempts
from postil.gateway.tenancy.permissions import Permission
from postil.gateway.threads import Threads
from postil.plugins import ReleaseRef
from postil.plugins.manager import PluginManager
from postil.registry.names import AdapterName, parse_release
from postil.registry.releases.diff import diff
from postil.registry.releases.service import Registry


def compare_routes(
    registry: RegistryHandle, plugins: PluginManager, denied: DeniedAttempts, reports: Threads
) -> list[Any]:
    """Return the route that compares releases."""

    @get("/diff", may=Permission.SEE, responses=problems(404, 409, 422))
    async def compare(
        request: AnyRequest,
        to: Annotated[str, QueryParameter()],
        from_: Annotated[str | None, QueryParameter(name="from")] = None,
    ) -> ReleaseDiff:
        after = parse_release(to)
        before = None if from_ is None else parse_release(from_)
        for ref in filter(None, (before, after)):
            check_domain(denied, request, Permission.SEE, ref.domain)
        # Hashing files and comparing tensors would block the event loop.
        return show_diff(
            await reports.run(after.domain, actor(request), compare_releases, registry.get(), before, after), plugins
        )

    return [compare]


def compare_releases(registry: Registry, before: ReleaseRef | None, after: ReleaseRef) -> diff.ReleaseDiff:
    """Compare a release with another, or with the live one. Files are read: not for the event loop."""
    newer = registry.release(after)
    older = registry.release(before or _live(registry, after))
    return diff.diff(older, newer, registry.artifacts)


def _live(registry: Registry, ref: ReleaseRef) -> ReleaseRef:
    """Return the live release that ``ref`` would replace. Raises StateConflictError if there is none."""
    name = AdapterName(ref.domain, ref.adapter)
    live = registry.state(name).live
    if live is None:
        raise StateConflictError(f"no release of {name} is live to compare {ref} with; name two releases")
    if live == ref.number:
        raise StateConflictError(f"{ref} is the live release itself; name a second one to compare it with")
    return name.release(live)
