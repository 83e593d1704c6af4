"""What a tenant may use: kept with the tenant, every change in the log."""

from __future__ import annotations

import pytest

from postil.registry.accounts.limits import TenantLimits, limits_of, of_tenant, set_limits
from postil.registry.accounts.tenants import add_tenant
from postil.registry.db.database import Database
from postil.registry.db.tables import Tenant
from postil.registry.errors import LimitError, NotFoundError
from postil.registry.releases import audit, history


def test_a_new_tenant_has_no_limits(database: Database) -> None:
    add_tenant(database, "clinic", ["healthcare"], actor="ann")
    assert limits_of(database, "clinic") == TenantLimits()


def test_limits_are_kept_and_each_change_is_in_the_log(database: Database) -> None:
    add_tenant(database, "clinic", ["healthcare"], actor="ann")
    first = TenantLimits(requests_per_minute=60, tokens_per_day=10**10)
    assert set_limits(database, "clinic", first, actor="ann") == {"requests_per_minute": 60, "tokens_per_day": 10**10}
    assert limits_of(database, "clinic") == first
    set_limits(database, "clinic", first, actor="bob")
    set_limits(database, "clinic", TenantLimits(concurrent=2), actor="bob")
    changes = [event for event in history.log(database) if event.action == "tenant-limits"]
    assert [(event.actor, event.subject, event.details["after"]) for event in changes] == [
        ("ann", "clinic", first.named()), ("bob", "clinic", {"concurrent": 2}),
    ]  # fmt: skip
    assert changes[1].details["before"] == first.named()
    assert audit.verify(database).first_break is None


@pytest.mark.parametrize("value", [0, -1, 2**53])
def test_what_cannot_be_a_limit_is_refused(value: int) -> None:
    with pytest.raises(LimitError, match="from 1 on"):
        TenantLimits(tokens_per_minute=value)


def test_a_tenant_that_is_not_there_has_none(database: Database) -> None:
    with pytest.raises(NotFoundError, match="no tenant 'nobody'"):
        limits_of(database, "nobody")
    with pytest.raises(NotFoundError, match="no tenant 'nobody'"):
        set_limits(database, "nobody", TenantLimits(), actor="ann")


def test_limits_of_a_later_version_are_left_out() -> None:
    tenant = Tenant(name="a", domains=[], limits={"concurrent": 1, "images_per_minute": 2})
    assert of_tenant(tenant) == TenantLimits(concurrent=1)
