"""Limits and usage of two gateways over one PostgreSQL."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg

from tests.gateway.conftest import FREE_TEXT, until
from tests.gateway.control.test_change_feed import shared as shared
from tests.gateway.control.test_change_feed import two_houses
from tests.registry.conftest import pg_folder as pg_folder
from tests.registry.conftest import postgres as postgres


async def test_a_limit_holds_over_both_and_use_adds_up(tmp_path: Path, shared: str) -> None:
    async with two_houses(tmp_path, shared) as (one, two, _):
        await one.publish("legal/notes", FREE_TEXT)
        key = await one.tenant("firm", "legal")
        await one.admin("PUT", "/api/v1/tenants/firm/limits", json={"requests_per_minute": 20, "tokens_per_day": 10**6})
        await until(lambda: two.runtime.callers.current.limited() and two.serves("legal/notes"))
        answers = await asyncio.gather(*(house.ask(key) for house in (one, two) for _ in range(8)))
        assert [answer.status_code for answer in answers] == [200] * 16
        for house in (one, two, one):
            assert await house.runtime.ledger.flush()
        answers = [await two.ask(key) for _ in range(8)]
        assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 4
        spent = sum(answer.json()["usage"]["total_tokens"] for answer in answers[:4]) * 5
        assert answers[0].headers["x-ratelimit-remaining-tokens"] == str(10**6 - spent * 4 // 5)
        await two.runtime.ledger.flush()
        (entry,) = (await one.admin("GET", "/api/v1/usage")).json()["data"]
        assert (entry["requests"], entry["prompt_tokens"] + entry["completion_tokens"]) == (20, spent)


async def test_neither_hears_of_the_other_but_in_the_background(tmp_path: Path, shared: str) -> None:
    """Nobody calls flush here: within a second or so they know."""
    async with two_houses(tmp_path, shared) as (one, two, _):
        await one.publish("legal/notes", FREE_TEXT)
        key = await one.tenant("firm", "legal")
        await one.admin("PUT", "/api/v1/tenants/firm/limits", json={"requests_per_minute": 100})
        await until(lambda: two.runtime.callers.current.limited() and two.serves("legal/notes"))
        for _ in range(5):
            await one.ask(key)
        async with asyncio.timeout(30):
            while True:
                left = int((await two.ask(key)).headers["x-ratelimit-remaining-requests"])
                asked = len(two.engine.requests)
                if left == 100 - 5 - asked:
                    break
                await asyncio.sleep(0.1)


async def test_answers_go_on_while_the_database_cannot_be_asked_and_nothing_is_lost(
    tmp_path: Path, shared: str
) -> None:
    plain = shared.replace("postgresql+psycopg", "postgresql")
    async with two_houses(tmp_path, shared) as (one, two, _):
        await one.publish("legal/notes", FREE_TEXT)
        key = await one.tenant("firm", "legal")
        await until(lambda: two.runtime.callers.current.knows("firm") and two.serves("legal/notes"))
        with psycopg.connect(plain) as locking:
            locking.execute("LOCK TABLE usage, writer IN ACCESS EXCLUSIVE MODE")
            answers = [await house.ask(key) for _ in range(10) for house in (one, two)]
            assert [answer.status_code for answer in answers] == [200] * 20
            flushing = asyncio.create_task(one.runtime.ledger.flush())
            done, _pending = await asyncio.wait({flushing}, timeout=1.5)
            assert not done
            with psycopg.connect(plain, autocommit=True) as killing:
                # A flush that had begun before may be the one that is ended first; this one then waits in its place.
                while not flushing.done():
                    killing.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                        " AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'"
                    )
                    await asyncio.wait({flushing}, timeout=0.2)
            assert not flushing.result()
            locking.rollback()
        for house in (one, two):
            await house.runtime.ledger.stop()
        (entry,) = (await one.admin("GET", "/api/v1/usage")).json()["data"]
        assert entry["requests"] == 20
