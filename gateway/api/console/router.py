"""``/console``: all pages behind one guard, each given only the parts that it needs."""

from __future__ import annotations

from typing import Any, NoReturn

from litestar import HttpMethod, Router, route
from litestar.params import FromPath

from postil.gateway.api.admin.status import StatusParts
from postil.gateway.api.console.acts import act_routes
from postil.gateway.api.console.adapters import AdapterPages, adapter_page_routes
from postil.gateway.api.console.assets import Assets, asset_route
from postil.gateway.api.console.compare import compare_route
from postil.gateway.api.console.cookie import Cookies
from postil.gateway.api.console.failures import failure_pages
from postil.gateway.api.console.guard import PREFIX, console_guard
from postil.gateway.api.console.home import home_route
from postil.gateway.api.console.last_moves import LastMoves
from postil.gateway.api.console.log import log_route
from postil.gateway.api.console.login import Login, login_routes
from postil.gateway.api.console.one_time import OneTimeLink
from postil.gateway.api.console.pages import Pages
from postil.gateway.api.console.reviews import ReviewPages, review_page_routes
from postil.gateway.api.console.sessions import Sessions
from postil.gateway.control.retire import RetireService
from postil.gateway.control.runtime import Runtime, Tell
from postil.gateway.errors import NotFoundError
from postil.gateway.tenancy.directory import admin_key


def console_router(runtime: Runtime, status: StatusParts, link: OneTimeLink, tell: Tell) -> Router:
    """Return the router with every page of a gateway. The demo on loopback tells a link that signs in once."""
    settings, callers, denied, registry = runtime.settings, runtime.callers, runtime.denied_attempts, runtime.registry
    assets = Assets.read()
    pages = Pages(assets)
    sessions = Sessions(settings.console_idle_minutes * 60, settings.console_session_hours * 3600)
    cookies = Cookies(tls=settings.tls_certificate is not None)
    if settings.demo and settings.on_loopback:
        tell("console", link.make())
    login = Login(sessions, cookies, callers, denied, pages, link=link, read_key=lambda: admin_key(settings))
    adapters = AdapterPages(
        registry,
        runtime.catalog,
        runtime.monitor,
        runtime.sums,
        runtime.plugins,
        pages,
        LastMoves(),
        settings.auto_rollback,
    )
    return Router(
        PREFIX,
        guards=[console_guard(sessions, cookies, callers, denied)],
        exception_handlers=failure_pages(pages),
        include_in_schema=False,
        route_handlers=[
            asset_route(assets),
            *login_routes(login),
            home_route(status, runtime.sums, pages),
            *adapter_page_routes(adapters),
            compare_route(adapters, runtime.pools.reports),
            *act_routes(runtime.releases, RetireService(registry, runtime.releases)),
            *review_page_routes(ReviewPages(registry, runtime.reviews, runtime.readings, denied, pages)),
            log_route(registry, denied, pages),
            _nothing_else(),
        ],
    )


def _nothing_else() -> Any:
    @route("/{rest:path}", http_method=[HttpMethod.GET, HttpMethod.POST], signed_in=True, sync_to_thread=False)
    def nothing(rest: FromPath[str]) -> NoReturn:
        raise NotFoundError("there is no such page; the console begins at /console")

    return nothing
