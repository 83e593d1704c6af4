from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete as deletion
from sqlmodel import Session, col

from postil.plugins import ReleaseRef
from postil.registry.accounts.forget import forget_tenant
from postil.registry.accounts.tenants import add_tenant, remove_tenant
from postil.registry.db.database import Database
from postil.registry.db.review_deletion import EXPIRE, PURGE, delete_reviews
from postil.registry.db.tables import Domain, Review, Tenant, utcnow
from postil.registry.errors import NotFoundError, QuotaError, TextError
from postil.registry.releases import history
from postil.registry.reviews import retention, reviews
from postil.registry.reviews.bounds import ReviewBounds
from postil.registry.reviews.readings import EXPORT, READ, record_export, record_reading
from postil.registry.reviews.reviews import ReviewRequest


def opened(
    database: Database, tenant: str = "clinic", *, domain: str = "healthcare", days: int | None = None, **bounds: int
) -> Review:
    """An open review of a tenant, which is added if it is not there."""
    with database.write() as session:
        session.merge(Tenant(name=tenant, domains=["healthcare"], uid=f"id of {tenant}"))
    request = ReviewRequest(
        ReleaseRef(domain, "triage", 1), tenant, {}, "x", "why", [], None, tenant_uid=f"id of {tenant}", keep_days=days
    )
    return reviews.open_review(database, request, ReviewBounds(**bounds))


def left(database: Database) -> set[str]:
    """The ids of all reviews."""
    return {review.id for review in reviews.reviews(database).items}


def actions(database: Database) -> list[tuple[str, dict[str, object]]]:
    """What was recorded."""
    return [(event.action, event.details) for event in history.events(database).items]


def test_a_tenant_has_as_many_open_reviews_as_it_may(database: Database) -> None:
    first = opened(database, per_tenant=1)
    with pytest.raises(QuotaError, match="tenant clinic has 1 open reviews, as many as it may"):
        opened(database, domain="legal", per_tenant=1)
    opened(database, "other", per_tenant=1)
    reviews.reject(database, first.id, actor="ann")
    opened(database, per_tenant=1)


def test_a_full_domain_takes_reviews_of_those_who_have_less_than_their_share(database: Database) -> None:
    opened(database, "small", per_domain=4)
    for _ in range(3):
        opened(database, per_domain=4)
    with pytest.raises(QuotaError, match="domain healthcare has 4 open reviews"):
        opened(database, per_domain=4)
    opened(database, "small", per_domain=4)
    with pytest.raises(QuotaError, match="domain healthcare has 4 open reviews"):
        opened(database, "small", per_domain=4)
    opened(database, domain="legal", per_domain=4)


def test_a_domain_may_have_figures_of_its_own(database: Database) -> None:
    with database.write() as session:
        session.add(Domain(name="healthcare", default_adapter="triage", quotas={"open_reviews": 1, "review_days": 5}))
    review = opened(database, days=20)
    assert review.keep_until == review.created_at + timedelta(days=5)
    with pytest.raises(QuotaError):
        opened(database)


def test_the_policys_days_hold_where_they_are_the_fewest(database: Database) -> None:
    for days, kept in ((None, 90), (7, 7), (700, 90)):
        review = opened(database, days=days)
        assert review.keep_until == review.created_at + timedelta(days=kept)


def test_an_answer_on_its_way_is_not_stored_once_its_tenant_is_removed_or_another_has_the_name(
    database: Database,
) -> None:
    opened(database)
    request = ReviewRequest(
        ReleaseRef("healthcare", "triage", 1), "clinic", {}, "x", "why", [], None, tenant_uid="id of clinic"
    )
    remove_tenant(database, "clinic", actor="ann")
    forget_tenant(database, "clinic", actor="ann")
    with pytest.raises(NotFoundError, match="tenant clinic was removed while it was answered"):
        reviews.open_review(database, request)
    add_tenant(database, "clinic", ["healthcare"], actor="ann")
    with pytest.raises(NotFoundError, match="tenant clinic was removed while it was answered"):
        reviews.open_review(database, request)
    assert left(database) == set()


def test_reviews_are_purged_by_tenant_domain_and_time_and_counted(database: Database) -> None:
    old, decided, legal, others = opened(database), opened(database), opened(database, domain="legal"), "other"
    kept = opened(database, others)
    reviews.approve(database, decided.id, actor="ann")
    with database.write() as session:
        session.get_one(Review, old.id).created_at = datetime(2020, 1, 1, tzinfo=UTC)
    with pytest.raises(TextError, match="say which reviews"):
        retention.purge(database, actor="ann")
    cases: list[tuple[dict[str, object], dict[str, int], set[str]]] = [
        ({"before": datetime(2021, 1, 1, tzinfo=UTC)}, {"open": 1, "decided": 0}, {decided.id, legal.id, kept.id}),
        ({"tenant": "clinic", "domain": "healthcare"}, {"open": 0, "decided": 1}, {legal.id, kept.id}),
        ({"domain": "legal"}, {"open": 1, "decided": 0}, {kept.id}),
    ]
    for which, counts, rest in cases:
        before = left(database)
        assert retention.purge(database, actor="ann", dry_run=True, **which) == counts  # type: ignore[arg-type]
        assert left(database) == before
        assert retention.purge(database, actor="ann", **which) == counts  # type: ignore[arg-type]
        assert left(database) == rest
    purges = [details for action, details in actions(database) if action == PURGE]
    assert purges[0] == {"before": "2021-01-01T00:00:00+00:00", "open": 1, "decided": 0}
    assert purges[1] == {"tenant": "clinic", "domain": "healthcare", "open": 0, "decided": 1}


def test_reviews_expire_and_those_from_before_there_was_a_time_too(database: Database) -> None:
    over = [opened(database, days=1) for _ in range(3)]
    earlier, kept = opened(database), opened(database, days=9)
    now = utcnow() + timedelta(days=2)
    with database.write() as session:
        session.get_one(Review, earlier.id).keep_until = None
    reviews.reject(database, over[0].id, actor="ann")
    assert retention.expire(database, now, 5) == 3
    assert left(database) == {earlier.id, kept.id}
    assert retention.expire(database, now + timedelta(days=4), 5) == 0
    assert retention.expire(database, now + timedelta(days=5), 5) == 1
    assert retention.expire(database, now + timedelta(days=5), 5) == 0
    assert left(database) == {kept.id}
    told = [details for action, details in actions(database) if action == EXPIRE]
    assert told == [{"open": 2, "decided": 1}, {"open": 1, "decided": 0}]


@pytest.mark.parametrize("delete", ["purge", "expire"])
def test_a_deletion_that_breaks_off_has_an_event_for_all_that_is_gone(
    database: Database, delete: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        opened(database, days=1)
    written, write = 0, database.write

    def fails_at_the_third() -> AbstractContextManager[Session]:
        nonlocal written
        written += 1
        if written == 3:
            raise OSError("the database is gone")
        return write()

    monkeypatch.setattr(database, "write", fails_at_the_third)
    ways: dict[str, Callable[[], object]] = {
        "purge": lambda: retention.purge(database, tenant="clinic", actor="ann", batch=2),
        "expire": lambda: retention.expire(database, utcnow() + timedelta(days=2), 5, batch=2),
    }
    with pytest.raises(OSError, match="is gone"):
        ways[delete]()
    assert len(left(database)) == 1
    told = [details["open"] for action, details in actions(database) if action == f"review-{delete}"]
    assert told == [2, 2]


def test_of_two_gateways_that_expire_at_once_one_has_the_event(database: Database) -> None:
    opened(database, days=1)
    which = col(Review.tenant) == "clinic"

    def other_was_faster(session: Session) -> None:
        session.execute(deletion(Review).where(which))

    counts = delete_reviews(database, which, action=EXPIRE, actor="postil", check=other_was_faster)
    assert counts == {"open": 0, "decided": 0}
    assert not [action for action, _ in actions(database) if action == EXPIRE]


def test_a_reading_is_an_event_that_holds_ids_alone(database: Database) -> None:
    record_reading(database, actor="ann", review="f" * 32)
    record_export(database, actor="ann", adapter="healthcare/triage")
    assert actions(database) == [(READ, {"review": "f" * 32}), (EXPORT, {"adapter": "healthcare/triage"})]


def test_those_that_are_decided_or_gone_need_no_decision_any_more(database: Database) -> None:
    waiting, decided = opened(database), opened(database)
    reviews.reject(database, decided.id, actor="ann")
    assert reviews.no_longer_open(database, [waiting.id, decided.id, "gone"]) == [decided.id, "gone"]
