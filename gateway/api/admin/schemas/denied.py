"""Responses about denied attempts."""

from __future__ import annotations

import msgspec

from postil.gateway.api.admin.schemas.times import stamp
from postil.registry.db import safety_tables as tables


class DeniedAttempt(msgspec.Struct, kw_only=True):
    """Denied attempts of one kind: the key's owner (``nobody`` for unknown keys), the address, the route, the status.

    ``address`` is the client's, or a proxy's; IPv6 by its /64 network. ``count`` attempts came between ``first_at`` and
    ``last_at``.
    """

    first_at: str
    last_at: str
    actor: str
    key: str | None
    address: str
    route: str
    status: int
    count: int


class DeniedAttemptPage(msgspec.Struct, kw_only=True):
    """Denied attempts, newest first."""

    data: list[DeniedAttempt]
    next: str | None


def show_denied(row: tables.DeniedAttempt) -> DeniedAttempt:
    """Convert a row of denied attempts."""
    return DeniedAttempt(
        first_at=stamp(row.first_at),
        last_at=stamp(row.last_at),
        actor=row.actor,
        key=row.details["key"],
        address=row.address,
        route=row.route,
        status=row.status,
        count=row.count,
    )
