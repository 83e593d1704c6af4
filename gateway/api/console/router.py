"""``/console``: all pages behind one guard, each given only the parts that it needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
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
from postil.gateway.api.console.guard import console_guard
from postil.gateway.api.console.home import home_route
from postil.gateway.api.console.last_moves import LastMoves
from postil.gateway.api.console.log import log_route
from postil.gateway.api.console.login import Login, login_routes
from postil.gateway.api.console.one_time import OneTimeLink
from postil.gateway.api.console.pages import PREFIX, Pages
from postil.gateway.api.console.playground import Playground, playground_routes
from postil.gateway.api.console.review_forms import review_form_routes
from postil.gateway.api.console.reviews import ReviewPages, review_page_routes
from postil.gateway.api.console.sessions import Sessions
from postil.gateway.api.console.side_by_side import SideBySide
from postil.gateway.api.console.usage import UsageParts, usage_route
from postil.gateway.control.retire import RetireService
from postil.gateway.control.runtime import Runtime, Tell
from postil.gateway.errors import NotFoundError
from postil.gateway.inference.cost_limits import CostLimits
from postil.gateway.tenancy.directory import admin_key


@dataclass(frozen=True, slots=True)
class Console:
    """What the console shares with the application around it: its files and pages, and the demo's link."""

    assets: Assets
    pages: Pages
    link: OneTimeLink

    @classmethod
    def read(cls) -> Console:
        """Read the files of this package."""
        assets = Assets.read()
        return cls(assets, Pages(assets), OneTimeLink())


def console_router(runtime: Runtime, console: Console, status: StatusParts, tell: Tell) -> Router:
    """Return the router with every page of a gateway. The demo on loopback tells a link that signs in once."""
    settings, callers, denied = runtime.settings, runtime.callers, runtime.denied_attempts
    sessions = Sessions(settings.console_idle_minutes * 60, settings.console_session_hours * 3600)
    cookies = Cookies(tls=settings.tls_certificate is not None)
    if settings.demo and settings.on_loopback:
        tell("console", console.link.make())
    read_key = partial(admin_key, settings)
    login = Login(sessions, cookies, callers, denied, console.pages, link=console.link, read_key=read_key)
    return Router(
        PREFIX,
        guards=[console_guard(sessions, cookies, callers, denied)],
        exception_handlers=failure_pages(console.pages),
        include_in_schema=False,
        route_handlers=[asset_route(console.assets), *login_routes(login), *_pages(runtime, console.pages, status)],
    )


def _pages(runtime: Runtime, pages: Pages, status: StatusParts) -> list[Any]:
    """Return the routes for who is signed in."""
    registry, denied = runtime.registry, runtime.denied_attempts
    parts = (registry, runtime.catalog, runtime.monitor, runtime.sums, runtime.plugins, pages, LastMoves())
    adapters = AdapterPages(*parts, automatic=runtime.settings.auto_rollback, steps=runtime.steps)
    lasts = timedelta(minutes=runtime.settings.console_claim_minutes)
    reviews = ReviewPages(registry, runtime.reviews, runtime.readings, denied, pages, lasts)
    cost = CostLimits.of(runtime.settings)
    asks = SideBySide(runtime.context, cost, runtime.ledger, runtime.traffic)
    return [
        home_route(status, runtime.sums, pages),
        *adapter_page_routes(adapters),
        compare_route(adapters, runtime.pools.reports),
        *act_routes(runtime.releases, RetireService(registry, runtime.releases), runtime.steps),
        *review_page_routes(reviews),
        *review_form_routes(reviews),
        *playground_routes(Playground(runtime.catalog, denied, asks, pages)),
        usage_route(UsageParts(registry, runtime.ledger, runtime.pools.reports, runtime.sums, pages)),
        log_route(registry, denied, pages),
        _nothing_else(),
    ]


def _nothing_else() -> Any:
    @route("/{rest:path}", http_method=[HttpMethod.GET, HttpMethod.POST], signed_in=True, sync_to_thread=False)
    def nothing(rest: FromPath[str]) -> NoReturn:
        raise NotFoundError("there is no such page; the console begins at /console")

    return nothing
