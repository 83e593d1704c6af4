"""``/api/v1/keys``: the keys of tenants, and of the people and machines that manage the registry."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from postil.gateway.api.admin.params import After, AnyRequest, Limit, actor, seconds
from postil.gateway.api.admin.schemas.accounts import (
    Key,
    KeyPage,
    NewKey,
    RotatedKey,
    show_key,
    show_new_key,
    show_rotated_key,
)
from postil.gateway.control.catalog_sync import sync_keys
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.permissions import Permission
from postil.registry.accounts import keys
from postil.registry.accounts.keys import KeyRequest, Role
from postil.registry.db.paging import DEFAULT_LIMIT
from postil.registry.defaults import OVERLAP_SECONDS


class KeyBody(msgspec.Struct, forbid_unknown_fields=True):
    """A key to add: owner, role, domains (for publishers and reviewers), note, and lifetime in seconds."""

    owner: str
    role: Role = Role.TENANT
    domains: list[str] = []
    expires_in: float | None = None
    note: str = ""


class RotateBody(msgspec.Struct, forbid_unknown_fields=True):
    """How long the old key stays valid, and the new key's lifetime (default: that of the old key), in seconds."""

    overlap: float = OVERLAP_SECONDS
    expires_in: float | None = None


def key_routes(registry: RegistryHandle, callers: Callers) -> list[Any]:
    """Return the routes with which an admin lists, adds, rotates and revokes keys."""
    return [_listing(registry, callers), *_changing(registry, callers)]


def _listing(registry: RegistryHandle, callers: Callers) -> Any:
    @get("/keys", may=Permission.SEE_KEYS)
    async def listed(owner: FromQuery[str | None] = None, after: After = None, limit: Limit = DEFAULT_LIMIT) -> KeyPage:
        page = await callers.change(keys.list_keys, registry.database(), owner, after=after, limit=limit)
        return KeyPage(data=list(map(show_key, page.items)), next=page.next)

    return listed


def _changing(registry: RegistryHandle, callers: Callers) -> list[Any]:
    @post("/keys", may=Permission.ADMINISTER)
    async def add(request: AnyRequest, data: JSONBody[KeyBody]) -> NewKey:
        wanted = KeyRequest(data.owner, data.role, data.domains, seconds(data.expires_in), data.note)
        key, text = await callers.change(keys.add_key, registry.database(), wanted, actor=actor(request))
        await sync_keys(callers)
        return show_new_key(key, text)

    @post("/keys/{key_id:str}/rotate", may=Permission.ADMINISTER)
    async def rotate(request: AnyRequest, key_id: FromPath[str], data: JSONBody[RotateBody]) -> RotatedKey:
        overlap = seconds(data.overlap)
        assert overlap is not None, "it has a default"
        old, new, text = await callers.change(
            keys.rotate_key,
            registry.database(),
            key_id,
            overlap,
            lifetime=seconds(data.expires_in),
            actor=actor(request),
        )
        await sync_keys(callers)
        return show_rotated_key(old, new, text)

    @delete("/keys/{key_id:str}", status_code=200, may=Permission.ADMINISTER)
    async def revoke(request: AnyRequest, key_id: FromPath[str], reason: FromQuery[str] = "") -> Key:
        key = await callers.change(keys.revoke_key, registry.database(), key_id, reason=reason, actor=actor(request))
        await sync_keys(callers)
        return show_key(key)

    return [add, rotate, revoke]
