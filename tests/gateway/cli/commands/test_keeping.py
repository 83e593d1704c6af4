"""``postil reviews purge``, ``tenants forget`` and ``domains quota``, as a user runs them."""

from __future__ import annotations

import json

from postil.plugins import ReleaseRef
from postil.registry.reviews.reviews import ReviewRequest, open_review
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import House

WORDS = "her-knee-hurts"


async def opened(house: House, tenant: str = "clinic") -> str:
    """A review of a tenant."""
    asked = {"messages": [{"role": "user", "content": WORDS}]}
    request = ReviewRequest(ReleaseRef("healthcare", "triage", 1), tenant, asked, "an answer", "unsure", [], None)
    return open_review(house.runtime.registry.database(), request).id


async def test_reviews_are_listed_without_texts_shown_and_purged(house: House) -> None:
    review = await opened(house)
    status, out, _ = await postil(house, "reviews", "list")
    assert (status, review[:8] in out, WORDS in out) == (0, True, False)
    _, out, _ = await postil(house, "reviews", "show", review[:8])
    assert WORDS in out
    assert "review-read" in (await postil(house, "log"))[1]
    status, _, complaints = await postil(house, "reviews", "purge")
    assert (status, "say which reviews" in complaints) == (1, True)
    _, out, _ = await postil(house, "reviews", "purge", "--tenant", "clinic", "--dry-run")
    assert out == "1 open and 0 decided reviews would be deleted\n"
    _, out, _ = await postil(house, "reviews", "purge", "--tenant", "clinic", "--before", "2100-01-01")
    assert out == "1 open and 0 decided reviews are deleted\n"
    _, out, _ = await postil(house, "reviews", "purge", "--domain", "healthcare", "--json")
    assert json.loads(out) == {"open": 0, "decided": 0, "dry_run": False}


async def test_a_removed_tenant_is_forgotten(house: House) -> None:
    await house.tenant("clinic", "healthcare")
    await opened(house)
    status, _, complaints = await postil(house, "tenants", "forget", "clinic")
    assert (status, "postil tenants remove clinic" in complaints) == (1, True)
    await postil(house, "tenants", "remove", "clinic")
    _, out, _ = await postil(house, "tenants", "forget", "clinic")
    assert out.startswith("forgot clinic: 1 reviews, 1 keys, 0 pins")
    _, out, _ = await postil(house, "tenants", "forget", "clinic", "--usage", "--json")
    assert json.loads(out)["reviews"] == 0


async def test_a_domains_quota_is_shown_set_and_taken_back(house: House) -> None:
    await house.publish("healthcare/triage")
    _, out, _ = await postil(house, "domains", "quota", "healthcare")
    assert out == "healthcare: 1000 releases, 65536 MiB, 10000 open reviews kept 90 days\n"
    await postil(house, "domains", "quota", "healthcare", "--releases", "7", "--reason", "small")
    _, out, _ = await postil(house, "domains", "quota", "healthcare", "--review-days", "9", "--json")
    assert (json.loads(out)["releases"], json.loads(out)["own"]) == (7, ["releases", "review_days"])
    assert "7 releases" in (await postil(house, "domains", "list"))[1].replace("\n", " ")
    _, out, _ = await postil(house, "domains", "quota", "healthcare", "--clear")
    assert out.startswith("healthcare: 1000 releases")
