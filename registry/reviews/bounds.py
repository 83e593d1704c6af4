"""How many reviews are kept, how large, and how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import Session, col, select

from postil.registry.db.tables import Domain, Review
from postil.registry.errors import QuotaError
from postil.registry.releases.quotas import of_domain

OPEN = "open"


@dataclass(frozen=True, slots=True)
class ReviewBounds:
    """The bounds of a gateway. A domain's own figures, where it has some, and a policy's days make them smaller."""

    request_bytes: int = 64 << 10
    per_tenant: int = 1000
    per_domain: int = 10_000
    keep_days: int = 90


def check_room(session: Session, domain: str, tenant: tuple[str, str], bounds: ReviewBounds) -> None:
    """Check that a tenant (its name and id) may open one more review in a domain. Raises QuotaError.

    A domain that is full still takes reviews of tenants that have less than their share of it open, so that none can
    keep the others' out.
    """
    name, uid = tenant
    mine = (Review.tenant == name, Review.tenant_uid == uid, Review.status == OPEN)
    if _count(session, *mine) >= bounds.per_tenant:
        raise QuotaError(f"tenant {name} has {bounds.per_tenant} open reviews, as many as it may; decide some of them")
    most = of_domain(session.get(Domain, domain)).open_reviews or bounds.per_domain
    there = (Review.domain == domain, Review.status == OPEN)
    if _count(session, *there) < most:
        return
    tenants = session.exec(select(func.count(func.distinct(col(Review.tenant)))).where(*there)).one()
    if _count(session, *mine, Review.domain == domain) >= most // max(tenants, 1):
        raise QuotaError(f"domain {domain} has {most} open reviews, as many as it may; decide some of them")


def keep_until(session: Session, domain: str, now: datetime, wanted: int | None, bounds: ReviewBounds) -> datetime:
    """Until when a review is kept: the shortest of the policy's days, the domain's and the gateway's."""
    days = (wanted, of_domain(session.get(Domain, domain)).review_days, bounds.keep_days)
    return now + timedelta(days=min(each for each in days if each is not None))


def _count(session: Session, *conditions: bool) -> int:
    return session.exec(select(func.count()).select_from(Review).where(*conditions)).one()
