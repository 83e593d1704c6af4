"""Who reads reviews, and who waits for them: bounded as requests are, named in the log, told when it is decided."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from postil.registry.accounts.keys import Role
from tests.fakes.vllm import FakeVLLM
from tests.gateway.conftest import House, bearer, until
from tests.gateway.control.test_review_retention import WORDS, clinic_of, events, opened, unsure
from tests.gateway.tenancy.test_roles import staff


async def test_a_list_of_reviews_holds_nothing_that_was_asked_answered_or_remarked(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with unsure(tmp_path, engine_at) as house:
        key = await clinic_of(house)
        review = await opened(house, key)
        await house.admin("POST", f"/api/v1/reviews/{review}/edit", json={"answer": "billing", "note": "as-she-said"})
        listed = await house.admin("GET", "/api/v1/reviews")
        assert listed.json()["data"][0]["id"] == review
        for told in (WORDS, "billing", "symptoms", "wait", "as-she-said"):
            assert told not in listed.text


async def test_the_log_says_who_read_which_review_and_who_took_examples_once_an_hour(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with unsure(tmp_path, engine_at) as house:
        key = await clinic_of(house)
        review = await opened(house, key)
        ann, bob = [await staff(house, Role.REVIEWER, "healthcare", owner=name) for name in ("ann", "bob")]
        for reader in (ann, ann, bob, ann):
            assert await reader.status("GET", f"/api/v1/reviews/{review[:8]}") == 200
        assert await ann.status("GET", "/api/v1/reviews") == 200
        assert await ann.status("GET", "/api/v1/adapters/healthcare/triage/examples") == 200
        read = [(event["actor"], event["details"]["review"]) for event in await events(house, "review-read")]
        assert read == [("bob", review), ("ann", review)]
        (taken,) = await events(house, "review-export")
        assert (taken["actor"], taken["details"]) == ("ann", {"adapter": "healthcare/triage"})
        assert (await house.admin("GET", "/api/v1/audit")).json()["first_break"] is None


async def test_a_tenant_holds_no_more_connections_than_it_may_while_it_waits_for_reviews(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with unsure(tmp_path, engine_at, review_waits_per_tenant=2) as house:
        key, other = await clinic_of(house), await house.tenant("other", "healthcare")
        review, theirs = await opened(house, key), await opened(house, other)
        waiting = [asyncio.create_task(wait_for(house, key, review)) for _ in range(2)]
        await until(lambda: house.runtime.reviews.waiting == 2)
        refused = await wait_for(house, key, review)
        assert (refused.status_code, "at most 2 requests at a time may wait" in refused.text) == (429, True)
        # Who does not wait is answered, and another tenant may wait.
        assert (await house.client.get(f"/v1/reviews/{review}", headers=bearer(key))).status_code == 200
        waiting.append(asyncio.create_task(wait_for(house, other, theirs)))
        await until(lambda: house.runtime.reviews.waiting == 3)
        for decided in (review, theirs):
            await house.admin("POST", f"/api/v1/reviews/{decided}/approve", json={})
        assert [(await each).json()["status"] for each in waiting] == ["approved"] * 3
        assert house.runtime.reviews.waiting == 0


async def test_who_is_refused_or_loses_its_key_while_it_waits_gets_no_decision(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with unsure(tmp_path, engine_at) as house:
        key, other = await clinic_of(house), await house.tenant("other", "healthcare")
        review, theirs = await opened(house, key), await opened(house, other)
        waiting = [asyncio.create_task(wait_for(house, *one)) for one in ((key, review), (other, theirs))]
        await until(lambda: house.runtime.reviews.waiting == 2)
        refused = await house.admin("POST", "/api/v1/tenants/clinic/refuse", json={"reason": "an incident"})
        revoked = await house.admin("DELETE", f"/api/v1/keys/{other.split('_')[1]}")
        assert (refused.status_code, revoked.status_code) == (200, 200)
        for decided in (review, theirs):
            await house.admin("POST", f"/api/v1/reviews/{decided}/edit", json={"answer": "billing"})
        answers = [await each for each in waiting]
        assert [answer.status_code for answer in answers] == [403, 401]
        assert "billing" not in "".join(answer.text for answer in answers)


async def test_an_admin_who_reads_as_a_tenant_does_is_in_the_log_with_the_whole_id(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with unsure(tmp_path, engine_at) as house:
        review = await opened(house, await clinic_of(house))
        for typed in (review[:8], review[:12], review):
            assert (await house.client.get(f"/v1/reviews/{typed}", headers=bearer(house.admin_key))).status_code == 200
        assert (await house.client.get("/v1/reviews/none", headers=bearer(house.admin_key))).status_code == 404
        assert [event["details"] for event in await events(house, "review-read")] == [{"review": review}]


async def test_looking_at_reviews_counts_as_requests_of_the_tenants(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with unsure(tmp_path, engine_at) as house:
        key = await clinic_of(house)
        review = await opened(house, key)
        await house.admin("PUT", "/api/v1/tenants/clinic/limits", json={"requests_per_minute": 3})
        seen = [(await house.client.get(f"/v1/reviews/{review}", headers=bearer(key))).status_code for _ in range(5)]
        assert seen == [200, 200, 200, 429, 429]


async def test_a_decision_wakes_those_who_wait_for_it_and_nobody_else(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with unsure(tmp_path, engine_at) as house:
        key = await clinic_of(house)
        one, other = await opened(house, key), await opened(house, key)
        asked = count_reads(house)
        waiting = {review: asyncio.create_task(wait_for(house, key, review)) for review in (one, other)}
        # Each looks before it waits, and once more when it does.
        await until(lambda: (asked[one], asked[other]) == (2, 2))
        await house.admin("POST", f"/api/v1/reviews/{one}/approve", json={})
        assert (await waiting[one]).json()["status"] == "approved"
        assert asked[other] == 2
        assert not waiting[other].done()
        # As another gateway decides: only the database and its feed tell.
        with house.runtime.registry.database().engine.begin() as connection:
            connection.exec_driver_sql("UPDATE review SET status = 'rejected' WHERE id = ?", (other,))
        await house.runtime.reviews.sync_decided()
        assert (await waiting[other]).json()["status"] == "rejected"
        assert asked[other] == 3


def count_reads(house: House) -> Counter[str]:
    """How often each review is read from the database from now on."""
    from sqlalchemy import event

    found: Counter[str] = Counter()

    def seen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT review.") and "review.request" in statement:
            found.update(str(parameter) for parameter in parameters)

    event.listen(house.runtime.registry.database().engine, "before_cursor_execute", seen)
    return found


async def wait_for(house: House, key: str, review: str) -> httpx.Response:
    """A tenant waits for a decision."""
    return await house.client.get(f"/v1/reviews/{review}", params={"wait": 25}, headers=bearer(key))
