"""``GET /v1/reviews/{id}`` for the tenant that got the answer, and ``/api/v1/reviews`` for reviewers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from postil.gateway.api.admin.auth import check_domain
from postil.gateway.api.admin.params import After, AnyRequest, Limit, NewestFirst, actor, adapter_name, caller_of
from postil.gateway.api.admin.schemas.reviews import (
    ExamplePage,
    PurgedReviews,
    Review,
    ReviewPage,
    TenantReview,
    show_example,
    show_review,
    show_summary,
)
from postil.gateway.api.denied import identify_request
from postil.gateway.control.outbox import webhook_payload
from postil.gateway.control.reading_log import ReadingLog
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.control.reviews import Reviews
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.denied_attempts import DeniedAttempts
from postil.gateway.tenancy.permissions import Permission
from postil.gateway.tenancy.rate_limiter import RequestLimits
from postil.gateway.threads import Threads
from postil.registry.db import tables
from postil.registry.db.paging import DEFAULT_LIMIT
from postil.registry.db.tables import utcnow
from postil.registry.names import parse_domain
from postil.registry.releases import history
from postil.registry.reviews import claims, retention, reviews
from postil.registry.reviews import export_examples as examples

_LONGEST_WAIT = 60.0
Act = Callable[..., tables.Review]


class AssignBody(msgspec.Struct, forbid_unknown_fields=True):
    """The person who should decide."""

    person: str


class DecideBody(msgspec.Struct, forbid_unknown_fields=True):
    """A remark, and for an edit the corrected answer."""

    note: str = ""
    answer: str | None = None


class PurgeBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which reviews to delete: of a tenant, of a domain, opened before a time; ``dry_run`` only counts them."""

    tenant: str | None = None
    domain: str | None = None
    before: str | None = None
    dry_run: bool = False


def review_routes(
    reviewing: Reviews, callers: Callers, denied: DeniedAttempts, limits: RequestLimits, readings: ReadingLog
) -> list[Any]:
    """Return the route with which a tenant reads its review; it counts as a request of the tenant's."""

    @get("/v1/reviews/{review_id:str}")
    async def mine(
        request: Request[Any, Any, Any], review_id: FromPath[str], wait: FromQuery[float] = 0.0
    ) -> TenantReview:
        caller = identify_request(callers, denied, request)
        # Waiting has a bound of its own and holds none of what the tenant may have at a time.
        await limits.admit(caller.limits)
        limits.left(caller.limits)
        seconds = min(max(wait, 0.0), _LONGEST_WAIT) if wait == wait else 0.0
        tenant = None if caller.admin else (caller.name, caller.uid)
        review = await reviewing.get(review_id, seconds, tenant=tenant)
        # Once more: while it waited the tenant may have been refused, or the key revoked.
        identify_request(callers, denied, request)
        if caller.admin:
            await readings.note_review(caller.owner, review.id)
        return TenantReview(**webhook_payload(review))

    return [mine]


def admin_review_routes(
    registry: RegistryHandle, reviewing: Reviews, denied: DeniedAttempts, readings: ReadingLog, reports: Threads
) -> list[Any]:
    """Return the routes with which reviewers list, assign and decide reviews, and admins delete them."""
    return [*_reading(registry, denied, readings, reports), *_deciding(registry, reviewing), *_deleting(registry)]


def _reading(registry: RegistryHandle, denied: DeniedAttempts, readings: ReadingLog, reports: Threads) -> list[Any]:
    @get("/reviews", may=Permission.REVIEW)
    async def listed(
        request: AnyRequest,
        status: FromQuery[str | None] = None,
        domain: FromQuery[str | None] = None,
        assigned_to: FromQuery[str | None] = None,
        newest_first: NewestFirst = False,
        after: After = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> ReviewPage:
        if domain is not None:
            check_domain(denied, request, Permission.REVIEW, parse_domain(domain))
        page = await asyncio.to_thread(
            reviews.reviews,
            registry.database(),
            status=status,
            domain=domain,
            assigned_to=assigned_to,
            domains=caller_of(request).scope,
            newest_first=newest_first,
            after=after,
            limit=limit,
        )
        return ReviewPage(data=list(map(show_summary, page.items)), next=page.next)

    @get("/reviews/{review_id:str}", may=Permission.REVIEW)
    async def shown(request: AnyRequest, review_id: FromPath[str]) -> Review:
        review = await _theirs(registry, request, review_id)
        await readings.note_review(actor(request), review.id)
        return show_review(review)

    @get("/adapters/{domain:str}/{adapter:str}/examples", may=Permission.REVIEW)
    async def labelled(
        request: AnyRequest,
        domain: FromPath[str],
        adapter: FromPath[str],
        since: FromQuery[str | None] = None,
        kind: FromQuery[str] = "instruction",
    ) -> ExamplePage:
        instant = None if since is None else history.parse_instant(since)
        name = adapter_name(domain, adapter)
        await readings.note_export(actor(request), str(name))
        found = await reports.run(domain, actor(request), examples.decided, registry.get(), name, kind, instant)
        return ExamplePage(data=[show_example(row, kind) for row in found])

    return [listed, shown, labelled]


async def _theirs(registry: RegistryHandle, request: AnyRequest, review_id: str) -> tables.Review:
    """Return a review if its domain is one of the key's. Raises NotFoundError otherwise."""
    return await asyncio.to_thread(reviews.get, registry.database(), review_id, caller_of(request).scope)


def _deleting(registry: RegistryHandle) -> list[Any]:
    @post("/reviews/purge", status_code=200, may=Permission.ADMINISTER)
    async def purge(request: AnyRequest, data: JSONBody[PurgeBody]) -> PurgedReviews:
        before = None if data.before is None else history.parse_instant(data.before)
        if data.domain is not None:
            parse_domain(data.domain)
        counts = await asyncio.to_thread(
            retention.purge,
            registry.database(),
            tenant=data.tenant,
            domain=data.domain,
            before=before,
            actor=actor(request),
            dry_run=data.dry_run,
        )
        return PurgedReviews(open=counts["open"], decided=counts["decided"], dry_run=data.dry_run)

    return [purge]


def _deciding(registry: RegistryHandle, reviewing: Reviews) -> list[Any]:
    async def done(request: AnyRequest, review_id: str, act: Act, *arguments: str, **named: str) -> Review:
        found = await _theirs(registry, request, review_id)
        decide = partial(act, registry.database(), found.id, *arguments, actor=actor(request), **named)
        review = await asyncio.to_thread(decide)
        reviewing.notify_decided(review.id)
        return show_review(review)

    @post("/reviews/{review_id:str}/assign", status_code=200, may=Permission.REVIEW)
    async def assign(request: AnyRequest, review_id: FromPath[str], data: JSONBody[AssignBody]) -> Review:
        return await done(request, review_id, reviews.assign, data.person)

    @post("/reviews/{review_id:str}/approve", status_code=200, may=Permission.REVIEW)
    async def approve(request: AnyRequest, review_id: FromPath[str], data: JSONBody[DecideBody]) -> Review:
        return await done(request, review_id, reviews.approve, note=data.note)

    @post("/reviews/{review_id:str}/edit", status_code=200, may=Permission.REVIEW)
    async def edit(request: AnyRequest, review_id: FromPath[str], data: JSONBody[DecideBody]) -> Review:
        return await done(request, review_id, reviews.edit, data.answer or "", note=data.note)

    @post("/reviews/{review_id:str}/reject", status_code=200, may=Permission.REVIEW)
    async def reject(request: AnyRequest, review_id: FromPath[str], data: JSONBody[DecideBody]) -> Review:
        return await done(request, review_id, reviews.reject, note=data.note)

    @post("/reviews/{review_id:str}/undo", status_code=200, may=Permission.REVIEW)
    async def undo(request: AnyRequest, review_id: FromPath[str]) -> Review:
        found = await _theirs(registry, request, review_id)
        act = partial(claims.undo, registry.database(), found.id, actor=actor(request), now=utcnow())
        return show_review(await asyncio.to_thread(act))

    return [assign, approve, edit, reject, undo]
