"""``/api/v1/adapters/.../releases/N/yank | unyank``: take back releases that do harm."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import post
from litestar.params import FromPath, JSONBody

from postil.gateway.api.admin.changes import RELEASE_PATH, release_change
from postil.gateway.api.admin.params import AnyRequest, actor, adapter_name, caller_of
from postil.gateway.api.admin.schemas.adapters import Adapter, ViewAdapter
from postil.gateway.control.releases import ReleaseService
from postil.gateway.tenancy.permissions import Permission


class YankBody(msgspec.Struct, forbid_unknown_fields=True):
    """Why the release is taken back, and which is live instead of it (default: the previous live release)."""

    reason: str
    to: int | None = None


def yank_routes(releases: ReleaseService, view: ViewAdapter) -> list[Any]:
    """Return the routes that yank a release and take a yank back."""

    @post(f"{RELEASE_PATH}/yank", status_code=200, may=Permission.PUBLISH)
    async def yank_release(
        request: AnyRequest,
        domain: FromPath[str],
        adapter: FromPath[str],
        number: FromPath[int],
        data: JSONBody[YankBody],
    ) -> Adapter:
        ref = adapter_name(domain, adapter).release(number)
        state = await releases.yank(ref, reason=data.reason, actor=actor(request), to=data.to)
        return view(state, caller_of(request))

    return [yank_release, release_change("unyank", "Take a yank back", releases.unyank, view)]
