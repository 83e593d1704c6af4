"""Which role has which permissions on the admin API. Every permission is the admin's."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from postil.registry.accounts.keys import Role


class Permission(StrEnum):
    """What a route of ``/api/v1`` asks of a key; each route names one (``may=Permission...``), or nobody passes."""

    LOOK = "look"  # What is installed here: plugins, the schema of policies.
    SEE = "see"  # Adapters, their releases, their channels, what was done to them.
    AUDIT = "audit"  # Whether the log is whole.
    SEE_KEYS = "see_keys"  # Who may call: tenants, keys (no secrets), limits; and signing keys.
    SEE_USAGE = "see_usage"  # Who used how much.
    EXPORT = "export"  # Weights, and what training wrote beside them, which quotes validation messages.
    PUBLISH = "publish"  # Publish, promote, roll back, canary, shadow.
    TRY = "try"  # Ask releases and the base on the console's playground.
    REVIEW = "review"  # What was asked and answered, and to decide on it.
    METRICS = "metrics"  # What is counted of all adapters and tenants, as a monitoring system scrapes it.
    ADMINISTER = "administer"  # Tenants, keys, rights, limits, signing keys, pins, garbage collection.


PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.TENANT: frozenset(),
    Role.PUBLISHER: frozenset({Permission.LOOK, Permission.SEE, Permission.EXPORT, Permission.PUBLISH, Permission.TRY}),
    Role.REVIEWER: frozenset({Permission.LOOK, Permission.REVIEW}),
    Role.VIEWER: frozenset(
        {Permission.LOOK, Permission.SEE, Permission.AUDIT, Permission.SEE_KEYS, Permission.SEE_USAGE}
    ),
    Role.METRICS: frozenset({Permission.METRICS}),
    Role.ADMIN: frozenset(Permission),
}
