from __future__ import annotations

import pytest

from postil.registry.errors import PolicyError
from postil.registry.policy.policy import parse_policy, policy_from


def test_the_former_name_of_the_audited_share_is_refused_with_the_new_one() -> None:
    with pytest.raises(PolicyError, match=r"reviews\.sample is now called reviews\.audit_percent; rename it"):
        parse_policy("reviews: {sample: 5}")
    assert parse_policy("reviews: {audit_percent: 5}").reviews.audited == 5


@pytest.mark.parametrize("text", ["reviews: 5", "[]", "reviews: {audit_percent: 101}", "reviews: {keep_days: 0}"])
def test_what_is_no_rule_for_reviews_is_still_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        parse_policy(text)


def test_a_policy_that_was_stored_under_the_former_name_is_served_and_keeps_its_digest() -> None:
    stored = policy_from({"reviews": {"sample": 5.0, "assign_to": "ann"}})
    assert stored.reviews.audited == 5
    assert stored.canonical() == '{"reviews": {"assign_to": "ann", "sample": 5.0}}'
    # The digest that 0.1.0 stored.
    assert stored.digest() == "sha256:bba04cbee70fa3dfb250e2e3d4a0a917902ca0fe41493ac92697743da177ea20"
    assert stored.digest() != parse_policy("reviews: {audit_percent: 5, assign_to: ann}").digest()
