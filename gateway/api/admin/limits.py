"""``/api/v1/tenants/NAME/limits`` and ``/api/v1/usage`` for admins; ``/v1/usage`` for a tenant's own usage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

import msgspec
from litestar import Request, get, put
from litestar.params import FromPath, FromQuery, JSONBody

from postil.gateway.api.admin.params import After, AnyRequest, Limit, actor
from postil.gateway.api.admin.schemas.accounts import Limits, show_limits
from postil.gateway.api.admin.schemas.usage import TenantUsage, UsagePage, show_usage
from postil.gateway.api.denied import identify_request
from postil.gateway.control.catalog_sync import sync_keys
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.errors import BadRequestError
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.denied_attempts import DeniedSink
from postil.gateway.tenancy.permissions import Permission
from postil.gateway.tenancy.usage_ledger import UsageLedger
from postil.gateway.threads import Threads
from postil.registry.accounts import limits, usage
from postil.registry.accounts.limits import TenantLimits
from postil.registry.db.paging import DEFAULT_LIMIT, Page, whole
from postil.registry.names import parse_adapter


class LimitsBody(msgspec.Struct, forbid_unknown_fields=True):
    """All limits of a tenant; a limit that is left out is removed."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    concurrent: int | None = None
    connections: int | None = None
    sequences: int | None = None
    output_tokens: int | None = None
    schema_kib: int | None = None


def limit_routes(registry: RegistryHandle, callers: Callers, ledger: UsageLedger, reports: Threads) -> list[Any]:
    """Return the routes with which an admin reads and sets limits and reads usage."""

    @get("/tenants/{name:str}/limits", may=Permission.SEE_KEYS)
    async def shown(name: FromPath[str]) -> Limits:
        return show_limits(await callers.change(limits.limits_of, registry.database(), name))

    @put("/tenants/{name:str}/limits", may=Permission.ADMINISTER)
    async def put_limits(request: AnyRequest, name: FromPath[str], data: JSONBody[LimitsBody]) -> Limits:
        wanted = TenantLimits(**msgspec.structs.asdict(data))
        await callers.change(limits.set_limits, registry.database(), name, wanted, actor=actor(request))
        await sync_keys(callers)
        return show_limits(wanted)

    @get("/usage", may=Permission.SEE_USAGE)
    async def used(
        tenant: FromQuery[str | None] = None,
        adapter: FromQuery[str | None] = None,
        since: FromQuery[str | None] = None,
        until: FromQuery[str | None] = None,
        by: FromQuery[str] = "tenant",
        after: After = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> UsagePage:
        await ledger.flush()
        report = _report(registry, by, tenant, adapter, since, until)
        page = await reports.run("", "admins", report, after=after, limit=limit)
        return UsagePage(data=show_usage(page.items), next=page.next)

    return [shown, put_limits, used]


def usage_routes(
    registry: RegistryHandle, callers: Callers, ledger: UsageLedger, denied: DeniedSink, reports: Threads
) -> list[Any]:
    """Return the route with which a tenant reads its own usage."""

    @get("/v1/usage")
    async def mine(
        request: Request[Any, Any, Any],
        adapter: FromQuery[str | None] = None,
        since: FromQuery[str | None] = None,
        until: FromQuery[str | None] = None,
        by: FromQuery[str] = "adapter",
    ) -> TenantUsage:
        caller = identify_request(callers, denied, request)
        # What a tenant of this name used before this one was added is another's.
        report = _report(registry, by, caller.name, adapter, since, until, not_before=caller.since)
        await ledger.flush()
        data = await reports.run("_tenants", caller.name, whole, report)
        # Copies of requests to a shadow do not count as the tenant's usage.
        seen = [{name: value for name, value in entry.items() if name != usage.SHADOW} for entry in data]
        return TenantUsage(data=show_usage(entry for entry in seen if entry["requests"] or usage.RETRY in entry))

    return [mine]


def _report(
    registry: RegistryHandle,
    by: str,
    tenant: str | None,
    adapter: str | None,
    since: str | None,
    until: str | None,
    not_before: date | None = None,
) -> Callable[..., Page[dict[str, Any]]]:
    """Return the requested usage report, page by page. Raises BadRequestError or NameInvalidError."""
    if by not in usage.GROUPS:
        raise BadRequestError(f"by cannot be {by[:20]!r}; it is one of {', '.join(usage.GROUPS)}")
    asked = None if adapter is None else _adapter(adapter)
    first, last = (None if text is None else _day(text) for text in (since, until))
    if not_before is not None and (first is None or first < not_before):
        first = not_before
    return partial(usage.report, registry.database(), by, tenant=tenant, adapter=asked, since=first, until=last)


def _adapter(text: str) -> tuple[str, str]:
    if text == "base":
        return "", ""
    name = parse_adapter(text)
    return name.domain, name.adapter


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadRequestError(f"{text[:40]!r} is not a day; write one such as 2026-11-01") from None
