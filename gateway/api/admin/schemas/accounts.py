"""Responses about tenants, keys and limits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from postil.gateway.api.admin.schemas.times import stamp, stamp_or_none
from postil.registry.accounts.keys import Role, in_force
from postil.registry.accounts.limits import TenantLimits
from postil.registry.accounts.rights import Right, rights_of
from postil.registry.db import tables
from postil.registry.db.tables import utcnow


class Key(msgspec.Struct, kw_only=True):
    """A key without its secret; ``state`` is ``in force``, ``expired`` or ``revoked``."""

    id: str
    prefix: str
    owner: str
    role: str
    domains: list[str]
    state: str
    created: str
    expires: str | None
    revoked: str | None
    note: str


class KeyPage(msgspec.Struct, kw_only=True):
    """Keys, oldest first."""

    data: list[Key]
    next: str | None


class NewKey(Key, kw_only=True):
    """A new key with its text, which is shown only once."""

    key: str


class RotatedKey(NewKey, kw_only=True):
    """A new key, and the key that it replaces."""

    replaces: Key


class Limits(msgspec.Struct, kw_only=True):
    """A tenant's limits; null means unlimited, or the gateway's setting for the last three."""

    requests_per_minute: int | None
    tokens_per_minute: int | None
    tokens_per_day: int | None
    concurrent: int | None
    connections: int | None
    sequences: int | None
    output_tokens: int | None
    schema_kib: int | None


class Refusal(msgspec.Struct, kw_only=True):
    """Since when every request of a tenant is refused, and why."""

    since: str
    reason: str


class Tenant(msgspec.Struct, kw_only=True):
    """A tenant with its valid keys; ``limits`` holds only the limits that are set."""

    name: str
    domains: list[str]
    default_domain: str | None
    rights: list[str]
    keys: list[Key]
    limits: dict[str, int]
    created: str
    refused: Refusal | None


class TenantState(msgspec.Struct, kw_only=True):
    """A tenant, and whether its requests are refused."""

    name: str
    refused: Refusal | None


class Rights(msgspec.Struct, kw_only=True):
    """A tenant's rights beyond asking its domains."""

    rights: list[str]


class TenantPage(msgspec.Struct, kw_only=True):
    """Tenants by name."""

    data: list[Tenant]
    next: str | None


class ForgottenTenant(msgspec.Struct, kw_only=True):
    """How many rows of a removed tenant were deleted."""

    reviews: int
    keys: int
    pins: int
    evidence: int
    denied_attempts: int
    usage: int


class NewTenant(Tenant, kw_only=True):
    """A new tenant with the text of its first key, which is shown only once."""

    key: str


def show_key(row: tables.Key) -> Key:
    """Convert a key, without its secret."""
    return Key(**_key(row))


def show_new_key(row: tables.Key, text: str) -> NewKey:
    """Convert a new key."""
    return NewKey(**_key(row), key=text)


def show_rotated_key(old: tables.Key, new: tables.Key, text: str) -> RotatedKey:
    """Convert a key that replaces another one."""
    return RotatedKey(**_key(new), key=text, replaces=show_key(old))


def show_tenant(row: tables.Tenant, keys: Iterable[tables.Key]) -> Tenant:
    """Convert a tenant with its valid keys."""
    return Tenant(**_tenant(row, keys))


def show_new_tenant(row: tables.Tenant, key: tables.Key, text: str) -> NewTenant:
    """Convert a new tenant."""
    return NewTenant(**_tenant(row, [key]), key=text)


def show_tenant_state(row: tables.Tenant) -> TenantState:
    """Convert a tenant that was refused or admitted."""
    return TenantState(name=row.name, refused=_refusal(row))


def show_limits(found: TenantLimits) -> Limits:
    """Convert a tenant's limits."""
    return msgspec.convert(found, Limits, from_attributes=True)


def show_rights(found: Iterable[Right]) -> Rights:
    """Convert a tenant's rights."""
    return Rights(rights=sorted(found))


def _tenant(row: tables.Tenant, keys: Iterable[tables.Key]) -> dict[str, Any]:
    now = utcnow()
    own = (key for key in keys if key.owner == row.name and key.role == Role.TENANT)
    return {
        "name": row.name,
        "domains": row.domains,
        "default_domain": row.default_domain,
        "rights": sorted(rights_of(row)),
        "keys": [show_key(key) for key in own if in_force(key, now)],
        "limits": row.limits,
        "created": stamp(row.created_at),
        "refused": _refusal(row),
    }


def _refusal(row: tables.Tenant) -> Refusal | None:
    return None if row.refused_at is None else Refusal(since=stamp(row.refused_at), reason=row.refused_reason)


def _key(row: tables.Key) -> dict[str, Any]:
    state = "revoked" if row.revoked_at else "in force" if in_force(row, utcnow()) else "expired"
    return {
        "id": row.id,
        "prefix": row.prefix,
        "owner": row.owner,
        "role": row.role,
        "domains": row.domains,
        "state": state,
        "created": stamp(row.created_at),
        "expires": stamp_or_none(row.expires_at),
        "revoked": stamp_or_none(row.revoked_at),
        "note": row.note,
    }
