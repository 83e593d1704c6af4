"""Which role may do what on the admin API. What stands nowhere here may be done by an admin only."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from postil.registry.accounts.keys import Role


class Right(StrEnum):
    """What a route of ``/api`` asks of a key; each route names one (``may=Right...``), or nobody passes."""

    LOOK = "look"  # What is installed here: plugins, the schema of policies.
    SEE = "see"  # Adapters, their releases, their channels, what was done to them.
    AUDIT = "audit"  # Whether the log is whole.
    SEE_KEYS = "see_keys"  # Who may call: tenants, keys (no secrets), limits; and signing keys.
    SEE_USAGE = "see_usage"  # Who used how much.
    EXPORT = "export"  # Weights, and what training wrote beside them, which quotes validation messages.
    PUBLISH = "publish"  # Publish, promote, roll back, canary, shadow.
    REVIEW = "review"  # What was asked and answered, and to decide on it.
    ADMINISTER = "administer"  # Tenants, keys, limits, signing keys, pins, garbage collection.


RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.TENANT: frozenset(),
    Role.PUBLISHER: frozenset({Right.LOOK, Right.SEE, Right.EXPORT, Right.PUBLISH}),
    Role.REVIEWER: frozenset({Right.LOOK, Right.REVIEW}),
    Role.VIEWER: frozenset({Right.LOOK, Right.SEE, Right.AUDIT, Right.SEE_KEYS, Right.SEE_USAGE}),
    Role.ADMIN: frozenset(Right),
}
