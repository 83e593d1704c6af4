"""Reviews hold people's texts: bounded, kept for a time, deleted on demand, and read by those whom the log names."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from postil.registry.accounts.keys import Role
from postil.registry.db.tables import utcnow
from tests.fakes.vllm import FakeVLLM, Reply
from tests.gateway.conftest import House, bearer, running_house
from tests.gateway.tenancy.test_roles import staff

HELD = """
output: {labels: [symptoms, appointment, billing]}
validators: [{name: confidence, config: {minimum: 0.9}}]
fallback: [{name: review, config: {content: '{"category": "wait"}'}}]
"""
WORDS = "her-knee-hurts-since-monday"


@asynccontextmanager
async def unsure(folder: Path, engine_at: tuple[FakeVLLM, str], **settings: Any) -> AsyncIterator[House]:
    """A gateway whose model is never sure, so that every answer waits for a person."""
    engine_at[0].reply = lambda body: Reply(logprob=-1.0)
    async with running_house(folder, *engine_at, **settings) as house:
        yield house


async def clinic_of(house: House, policy: str = HELD) -> str:
    """A live adapter, and the key of a tenant that may ask it."""
    await house.publish("healthcare/triage", policy)
    return await house.tenant("clinic", "healthcare")


async def opened(house: House, key: str, text: str = WORDS) -> str:
    """The id of a review that a question opens."""
    response = await house.ask(key, text)
    assert response.status_code == 200, response.text
    return response.headers["x-postil-review"]


async def rows(house: House) -> list[dict[str, Any]]:
    """All reviews, as a list shows them."""
    data: list[dict[str, Any]] = (await house.admin("GET", "/api/v1/reviews")).json()["data"]
    return data


async def events(house: House, action: str) -> list[dict[str, Any]]:
    """What the log has of one kind."""
    found = (await house.admin("GET", "/api/v1/events", params={"newest_first": True})).json()["data"]
    return [event for event in found if event["action"] == action]


def stored(folder: Path) -> bytes:
    """Everything in the files of the database."""
    return b"".join(path.read_bytes() for path in (folder / "home").glob("postil.db*"))


async def test_a_large_request_is_cut_to_what_a_reviewer_needs(tmp_path: Path, engine_at: tuple[FakeVLLM, str]) -> None:
    async with unsure(tmp_path, engine_at, review_request_kib=4) as house:
        key = await clinic_of(house)
        messages = [{"role": "user", "content": "old " * 500}, {"role": "user", "content": WORDS}]
        review = (await house.ask(key, messages=messages * 20)).headers["x-postil-review"]
        shown = (await house.admin("GET", f"/api/v1/reviews/{review}")).json()
        long = (await house.ask(key, WORDS + "x" * 100_000)).headers["x-postil-review"]
        cut = (await house.admin("GET", f"/api/v1/reviews/{long}")).json()
        await house.admin("POST", f"/api/v1/reviews/{long}/edit", json={"answer": "billing"})
        await house.admin("POST", f"/api/v1/reviews/{review}/edit", json={"answer": "billing"})
        examples = (await house.admin("GET", "/api/v1/adapters/healthcare/triage/examples")).json()["data"]
    assert shown["asked"] == WORDS
    assert "earlier messages or fields are not stored: the request had" in shown["shortened"]
    assert len(json.dumps(shown["request"])) <= 4096
    assert cut["asked"].startswith(WORDS)
    assert len(json.dumps(cut["request"])) <= 4096
    assert "the end of the last message is not stored" in cut["shortened"]
    # Half a message is no training example, nor is the end of a conversation.
    assert examples == []


async def test_one_tenant_cannot_fill_the_reviews_of_a_domain_and_its_own_answers_are_then_not_given(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], caplog: pytest.LogCaptureFixture
) -> None:
    bounds = {"reviews_per_tenant": 5, "reviews_per_domain": 4}
    async with unsure(tmp_path, engine_at, **bounds) as house:
        key, other = await clinic_of(house), await house.tenant("other", "healthcare")
        await opened(house, other)
        for _ in range(3):
            await opened(house, key)
        with caplog.at_level(logging.WARNING):
            refused = [await house.ask(key) for _ in range(3)]
        assert {response.status_code for response in refused} == {502}
        assert caplog.text.count("a review could not be kept") == 1
        assert WORDS not in caplog.text
        await opened(house, other)
        assert (await house.ask(other)).status_code == 502


async def test_a_tenant_with_as_many_open_reviews_as_it_may_gets_more_once_some_are_decided(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with unsure(tmp_path, engine_at, reviews_per_tenant=1) as house:
        key = await clinic_of(house)
        review = await opened(house, key)
        assert (await house.ask(key)).status_code == 502
        await house.admin("POST", f"/api/v1/reviews/{review}/reject", json={})
        await opened(house, key)


@pytest.mark.parametrize(
    ("policy", "setting", "days"),
    [("", 30, 30), ("reviews: {keep_days: 7}\n", 30, 7), ("reviews: {keep_days: 70}\n", 30, 30)],
)
async def test_the_shortest_of_the_times_to_keep_a_review_holds(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str], policy: str, setting: int, days: int
) -> None:
    async with unsure(tmp_path, engine_at, review_keep_days=setting) as house:
        key = await clinic_of(house, HELD + policy)
        await opened(house, key)
        (row,) = await rows(house)
        assert row["keep_until"][:10] == (utcnow() + timedelta(days=days)).isoformat()[:10]
        await house.admin("PUT", "/api/v1/domains/healthcare/quotas", json={"review_days": 2})
        await opened(house, key)
        row = (await rows(house))[-1]
        assert row["keep_until"][:10] == (utcnow() + timedelta(days=2)).isoformat()[:10]


async def test_a_review_whose_time_is_over_is_deleted_decided_or_not(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with unsure(tmp_path, engine_at) as house:
        key = await clinic_of(house)
        old = [await opened(house, key) for _ in range(2)]
        kept = await opened(house, key, "something else")
        await house.admin("POST", f"/api/v1/reviews/{old[0]}/approve", json={})
        with house.runtime.registry.database().engine.begin() as connection:
            names = ", ".join(f"'{review}'" for review in old)
            connection.exec_driver_sql(f"UPDATE review SET keep_until = '2020-01-01 00:00:00' WHERE id IN ({names})")
            connection.exec_driver_sql("UPDATE lease SET position = 0")
        await house.runtime.upkeep.do_due()
        assert [row["id"] for row in await rows(house)] == [kept]
        (event,) = await events(house, "review-expire")
        assert event["details"] == {"open": 1, "decided": 1}
        # An hour has to pass before it looks again.
        with house.runtime.registry.database().engine.begin() as connection:
            connection.exec_driver_sql("UPDATE review SET keep_until = '2020-01-01 00:00:00'")
        await house.runtime.upkeep.do_due()
        assert len(await rows(house)) == 1
    assert WORDS.encode() not in stored(tmp_path)


async def test_purged_reviews_are_in_no_file_and_the_log_has_their_number(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with unsure(tmp_path, engine_at) as house:
        key, other = await clinic_of(house), await house.tenant("other", "healthcare")
        review = await opened(house, key)
        kept = await opened(house, other, "something else")
        which = {"tenant": "clinic", "domain": "healthcare", "before": "2100-01-01"}
        asked = {"dry_run": True, **which}
        assert (await house.admin("POST", "/api/v1/reviews/purge", json=asked)).json() == {
            "open": 1, "decided": 0, "dry_run": True,
        }  # fmt: skip
        assert len(await rows(house)) == 2
        assert (await house.admin("POST", "/api/v1/reviews/purge", json=which)).json()["open"] == 1
        assert [row["id"] for row in await rows(house)] == [kept]
        assert (await house.client.get(f"/v1/reviews/{review}", headers=bearer(key))).status_code == 404
        (event,) = await events(house, "review-purge")
        assert event["details"] | {"before": ""} == {**which, "before": "", "open": 1, "decided": 0}
        nothing = await house.admin("POST", "/api/v1/reviews/purge", json={})
        assert (nothing.status_code, "say which reviews" in nothing.json()["detail"]) == (400, True)
        ann = await staff(house, Role.REVIEWER, "healthcare")
        assert await ann.status("POST", "/api/v1/reviews/purge", json=which) == 403
    assert WORDS.encode() not in stored(tmp_path)


async def test_a_new_tenant_of_an_old_name_reads_nothing_of_the_old_ones(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with unsure(tmp_path, engine_at) as house:
        key = await clinic_of(house)
        review = await opened(house, key)
        with house.runtime.registry.database().engine.begin() as connection:
            connection.exec_driver_sql("UPDATE usage SET day = '2020-01-01'")
        await house.runtime.ledger.flush()
        with house.runtime.registry.database().engine.begin() as connection:
            connection.exec_driver_sql("UPDATE usage SET day = '2020-01-01'")
        assert (await house.admin("GET", "/api/v1/usage", params={"tenant": "clinic"})).json()["data"] != []
        assert (await house.admin("DELETE", "/api/v1/tenants/clinic")).status_code == 204
        new = await house.tenant("clinic", "healthcare")
        refused = await house.client.get(f"/v1/reviews/{review}", headers=bearer(new))
        assert (refused.status_code, WORDS in refused.text) == (404, False)
        mine = await house.client.get("/v1/usage", headers=bearer(new), params={"since": "2019-01-01"})
        assert mine.json()["data"] == []


async def test_all_that_is_kept_of_a_tenant_can_be_forgotten_but_not_while_it_is_there(
    tmp_path: Path, engine_at: tuple[FakeVLLM, str]
) -> None:
    async with unsure(tmp_path, engine_at) as house:
        key = await clinic_of(house)
        await opened(house, key)
        await house.runtime.ledger.flush()
        early = await house.admin("POST", "/api/v1/tenants/clinic/forget", json={})
        assert (early.status_code, "remove it first" in early.json()["detail"]) == (409, True)
        await house.admin("DELETE", "/api/v1/tenants/clinic")
        done = (await house.admin("POST", "/api/v1/tenants/clinic/forget", json={})).json()
        assert (done["reviews"], done["keys"], done["usage"]) == (1, 1, 0)
        assert (await house.admin("GET", "/api/v1/usage", params={"tenant": "clinic"})).json()["data"] != []
        done = (await house.admin("POST", "/api/v1/tenants/clinic/forget", json={"usage": True})).json()
        assert (done["reviews"], done["usage"]) == (0, 1)
        assert (await house.admin("GET", "/api/v1/usage", params={"tenant": "clinic"})).json()["data"] == []
        assert [event["details"]["reviews"] for event in await events(house, "tenant-forget")] == [0, 1]
    assert WORDS.encode() not in stored(tmp_path)
