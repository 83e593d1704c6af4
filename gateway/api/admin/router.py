"""``/api/v1``: all routes of the admin API behind one guard, each given only the parts that it needs."""

from __future__ import annotations

from litestar import Router

from postil.gateway.api.admin.adapters import adapter_routes
from postil.gateway.api.admin.auth import require_permission
from postil.gateway.api.admin.canary_steps import canary_step_routes
from postil.gateway.api.admin.channels import channel_routes
from postil.gateway.api.admin.diff import compare_routes
from postil.gateway.api.admin.domains import domain_routes
from postil.gateway.api.admin.evidence import evidence_routes
from postil.gateway.api.admin.export import export_routes
from postil.gateway.api.admin.gc import gc_routes
from postil.gateway.api.admin.history import history_routes
from postil.gateway.api.admin.keys import key_routes
from postil.gateway.api.admin.limits import limit_routes
from postil.gateway.api.admin.lineage import lineage_routes
from postil.gateway.api.admin.plugins import plugin_route
from postil.gateway.api.admin.policy import policy_routes
from postil.gateway.api.admin.publish import publish_routes
from postil.gateway.api.admin.quotas import quota_routes
from postil.gateway.api.admin.retire import retire_routes
from postil.gateway.api.admin.reviews import admin_review_routes
from postil.gateway.api.admin.schemas.adapters import adapter_view
from postil.gateway.api.admin.signing import signing_routes
from postil.gateway.api.admin.status import StatusParts, status_route
from postil.gateway.api.admin.tenants import tenant_routes
from postil.gateway.api.admin.webhooks import webhook_routes
from postil.gateway.api.admin.yank import yank_routes
from postil.gateway.api.documented_errors import document_problems
from postil.gateway.control.retire import RetireService
from postil.gateway.control.runtime import Runtime


def admin_router(runtime: Runtime) -> Router:
    """Return the router with every admin route of a gateway."""
    registry, callers, catalog = runtime.registry, runtime.callers, runtime.catalog
    denied, releases = runtime.denied_attempts, runtime.releases
    reports = runtime.pools.reports
    view = adapter_view(catalog, runtime.plugins)
    return Router(
        "/api/v1",
        guards=[require_permission(callers, denied)],
        route_handlers=document_problems(
            [
                *adapter_routes(registry, releases, view, catalog, runtime.plugins),
                *publish_routes(runtime.publishing, registry, runtime.plugins, runtime.settings.upload_limit_mib),
                *export_routes(registry, reports),
                *lineage_routes(registry, reports),
                *channel_routes(releases, registry, view, runtime.shadows),
                *canary_step_routes(runtime.steps, view),
                *retire_routes(RetireService(registry, releases), view),
                *evidence_routes(registry),
                *yank_routes(releases, view),
                *admin_review_routes(registry, runtime.reviews, denied, runtime.readings, reports),
                *webhook_routes(registry, runtime.webhooks),
                *history_routes(registry, denied, reports),
                *compare_routes(registry, runtime.plugins, denied, reports),
                *policy_routes(runtime.plugins),
                *gc_routes(registry, runtime.sync, runtime.locks, runtime.settings.gc_keep, reports),
                *tenant_routes(registry, callers, releases, runtime.settings.tenant_concurrent_requests),
                *key_routes(registry, callers),
                *limit_routes(registry, callers, runtime.ledger, reports),
                *domain_routes(registry, runtime.settings.domain_quotas),
                *signing_routes(registry, runtime.signature_gate, runtime.settings.domain_quotas),
                *quota_routes(registry, runtime.settings.domain_quotas),
                status_route(status_parts(runtime)),
                plugin_route(runtime.plugins),
            ]
        ),
    )


def status_parts(runtime: Runtime) -> StatusParts:
    """Return the parts that the state of a gateway is read from."""
    return StatusParts(
        runtime.engine,
        runtime.registry,
        runtime.catalog,
        runtime.scheduler,
        runtime.monitor,
        runtime.steps,
        runtime.traffic,
        runtime.workers,
        runtime.settings.workers,
        runtime.tasks,
    )
