"""What a request of each tenant may cost is worked out once."""

from __future__ import annotations

from postil.gateway.inference.cost_limits import CostLimits, TenantCostLimits
from postil.gateway.tenancy.quota import quota
from postil.registry.accounts.limits import TenantLimits

DEFAULT = CostLimits(sequences=8, output_tokens=4096, schema_bytes=32 << 10, window=2048, slots=16)


def test_a_tenant_without_limits_of_its_own_has_those_of_all() -> None:
    limits = TenantCostLimits(DEFAULT)
    assert limits.of(None) is DEFAULT
    assert limits.of(quota("clinic", TenantLimits(concurrent=4))) is DEFAULT


def test_a_tenants_own_are_worked_out_once_and_again_when_they_change() -> None:
    limits = TenantCostLimits(DEFAULT)
    own = quota("clinic", TenantLimits(sequences=64, schema_kib=1))
    first = limits.of(own)
    assert first == CostLimits(sequences=16, output_tokens=4096, schema_bytes=1 << 10, window=2048, slots=16)
    assert limits.of(own) is first
    changed = limits.of(quota("clinic", TenantLimits(output_tokens=9)))
    assert changed == CostLimits(sequences=8, output_tokens=9, schema_bytes=32 << 10, window=2048, slots=16)
