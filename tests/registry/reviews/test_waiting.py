"""How many reviews wait, and since when."""

from __future__ import annotations

from datetime import timedelta

from postil.registry.db.tables import utcnow
from postil.registry.policy.policy import parse_policy
from postil.registry.releases.service import Registry
from postil.registry.reviews import reviews
from postil.registry.reviews.waiting import open_reviews
from tests.registry.conftest import Publish
from tests.registry.reviews.test_reviews import POLICY, opened


def test_open_reviews_are_counted_by_domain_and_decided_ones_are_not(registry: Registry, publish: Publish) -> None:
    publish(policy=parse_policy(POLICY))
    assert open_reviews(registry.database, utcnow()) == {}
    first, _ = opened(registry), opened(registry, "again")
    later = utcnow() + timedelta(hours=2)
    found = open_reviews(registry.database, later)
    assert found.keys() == {"healthcare"}
    assert found["healthcare"].count == 2
    assert 7200 <= found["healthcare"].oldest_seconds < 7300
    reviews.approve(registry.database, first.id, actor="ann")
    assert open_reviews(registry.database, later)["healthcare"].count == 1
