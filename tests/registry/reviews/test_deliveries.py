"""Decisions are posted by one gateway: claimed before, noted after, and claimed again if nobody notes anything."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest

from postil.plugins import ReleaseRef
from postil.registry.db.database import Database
from postil.registry.db.tables import Review, utcnow
from postil.registry.reviews import deliveries, reviews
from postil.registry.reviews.reviews import ReviewRequest

MINUTE = timedelta(minutes=1)


def decided(database: Database, webhook: str | None = "http://127.0.0.1/") -> Review:
    """A review that somebody has decided."""
    opening = ReviewRequest(ReleaseRef("healthcare", "triage", 1), "clinic", {}, "x", "why", [], None, webhook=webhook)
    return reviews.reject(database, reviews.open_review(database, opening).id, actor="ann")


def claimed(database: Database, holder: str, now: datetime | None = None) -> str | None:
    """The id of the review that a gateway claims for a minute."""
    found = deliveries.claim(database, holder, now=now or utcnow(), lasts=MINUTE)
    return found.id if found else None


def test_nothing_is_due_before_the_decision_or_without_a_webhook(database: Database) -> None:
    opening = ReviewRequest(ReleaseRef("healthcare", "triage", 1), "clinic", {}, "x", "why", [], None, webhook="x")
    reviews.open_review(database, opening)
    decided(database, webhook=None)
    assert claimed(database, "one") is None


def test_what_one_gateway_has_claimed_no_other_posts(database: Database) -> None:
    first, second = decided(database), decided(database)
    assert claimed(database, "one") == first.id
    assert claimed(database, "two") == second.id
    assert claimed(database, "one") is None


def test_what_waits_for_a_webhook_that_is_busy_keeps_nothing_else_waiting(database: Database) -> None:
    slow, other = decided(database, "http://slow/"), decided(database, "http://other/")
    found = deliveries.claim(database, "one", now=utcnow(), lasts=MINUTE, busy={("healthcare", "http://slow/")})
    assert found is not None
    assert found.id == other.id
    assert deliveries.claim(database, "one", now=utcnow(), lasts=MINUTE, busy={("healthcare", "http://slow/")}) is None
    assert claimed(database, "one") == slow.id


def test_a_gateway_that_dies_after_claiming_loses_the_claim_in_time(database: Database) -> None:
    review = decided(database)
    now = utcnow()
    assert claimed(database, "gone", now) == review.id
    assert claimed(database, "two", now + MINUTE / 2) is None
    assert claimed(database, "two", now + MINUTE) == review.id


def test_a_webhook_that_was_told_is_not_told_again(database: Database) -> None:
    review = decided(database)
    assert claimed(database, "one") == review.id
    deliveries.note(database, review, "one", told=True, next_try=None)
    assert claimed(database, "two", utcnow() + timedelta(days=9)) is None
    kept = reviews.get(database, review.id)
    assert (kept.tries, kept.told is not None, kept.delivery_claimed_by) == (1, True, None)


def test_a_webhook_that_took_nothing_is_tried_again_in_its_time_by_whoever_comes(database: Database) -> None:
    review = decided(database)
    claimed(database, "one")
    deliveries.note(database, review, "one", told=False, next_try=utcnow() + timedelta(hours=1))
    assert claimed(database, "two") is None
    later = utcnow() + timedelta(hours=2)
    assert claimed(database, "two", later) == review.id
    deliveries.note(database, review, "two", told=False, next_try=None)
    assert claimed(database, "one", later + timedelta(days=9)) is None
    assert reviews.get(database, review.id).tries == 2


@pytest.mark.parametrize("told", [True, False])
def test_of_a_gateway_whose_claim_has_expired_only_that_it_was_told_counts(database: Database, told: bool) -> None:
    review, now = decided(database), utcnow()
    claimed(database, "slow", now)
    claimed(database, "two", now + MINUTE)
    deliveries.note(database, review, "slow", told=told, next_try=now)
    kept = reviews.get(database, review.id)
    assert (kept.told is not None, kept.delivery_claimed_by) == ((True, None) if told else (False, "two"))


def test_of_many_gateways_that_claim_at_once_each_gets_others(database: Database) -> None:
    wanted = {decided(database).id for _ in range(12)}
    got: list[str] = []

    def act(holder: str) -> None:
        while (found := claimed(database, holder)) is not None:
            got.append(found)

    gateways = [threading.Thread(target=act, args=(f"gateway-{number}",)) for number in range(4)]
    for gateway in gateways:
        gateway.start()
    for gateway in gateways:
        gateway.join()
    while (found := claimed(database, "last")) is not None:  # What was locked just when each looked.
        got.append(found)
    assert (len(got), set(got)) == (12, wanted)


def test_of_two_that_see_the_last_one_due_only_one_claims_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other has read that there is one, and finds none when it may write."""
    decided(database)
    write, other = database.write, Database(database.engine.url.render_as_string(hide_password=False))

    def after_another() -> object:
        assert claimed(other, "faster") is not None
        return write()

    monkeypatch.setattr(database, "write", after_another)
    assert claimed(database, "slower") is None
    other.close()
