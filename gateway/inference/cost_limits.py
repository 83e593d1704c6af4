"""What one request may cost: as the settings say, or a tenant's own limits."""

from __future__ import annotations

from dataclasses import dataclass, replace

from postil.gateway.settings import Settings
from postil.gateway.tenancy.quota import Quota


@dataclass(frozen=True, slots=True)
class CostLimits:
    """What one request may cost. ``window`` is the engine's context in tokens, None where it is not known.

    ``slots`` is how many sequences the engine runs at a time: a tenant's own limit allows no more.
    """

    sequences: int
    output_tokens: int
    schema_bytes: int
    window: int | None
    slots: int

    @classmethod
    def of(cls, settings: Settings) -> CostLimits:
        """The limits of a tenant that has none of its own."""
        return cls(
            settings.max_sequences,
            settings.tenant_output_tokens,
            settings.tenant_schema_kib << 10,
            settings.window,
            settings.max_concurrent_requests,
        )

    def limited(self, quota: Quota) -> CostLimits:
        """These limits with a tenant's own in place of what they say."""
        return replace(
            self,
            sequences=min(quota.sequences, self.slots) if quota.sequences else self.sequences,
            output_tokens=quota.output_tokens or self.output_tokens,
            schema_bytes=quota.schema_kib << 10 if quota.schema_kib else self.schema_bytes,
        )


class TenantCostLimits:
    """The limits of all tenants; one who has some of its own gets them worked out once, not with each request."""

    def __init__(self, default: CostLimits) -> None:
        self._default = default
        self._own: dict[str, tuple[Quota, CostLimits]] = {}

    def of(self, quota: Quota | None) -> CostLimits:
        """The limits of the tenant with this quota."""
        if quota is None or quota.sequences is quota.output_tokens is quota.schema_kib is None:
            return self._default
        known = self._own.get(quota.tenant)
        if known is None or known[0] is not quota:  # A quota that was changed is another one.
            known = self._own[quota.tenant] = (quota, self._default.limited(quota))
        return known[1]
