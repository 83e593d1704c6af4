"""Two gateways over one database post each decision once; what one claimed and never noted, the other posts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from postil.gateway.control.reviews import Reviews
from postil.gateway.control.webhooks import Webhooks
from postil.gateway.errors import EngineUnavailableError
from postil.plugins import ReleaseRef
from postil.registry.accounts.webhooks import add_webhook
from postil.registry.db.database import Database
from postil.registry.reviews import reviews as kept
from postil.registry.reviews.reviews import ReviewRequest
from tests.fakes.http import Receive, Scope, Send, read_body, respond, serving
from tests.gateway.conftest import until
from tests.registry.conftest import database as database
from tests.registry.conftest import dialect as dialect
from tests.registry.conftest import pg_folder as pg_folder
from tests.registry.conftest import postgres as postgres
from tests.registry.conftest import postgres_template as postgres_template
from tests.registry.conftest import url as url


class Receiver:
    """A webhook; while it is closed, it keeps whoever posts waiting."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.posted: list[str] = []
        self.status = 200

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        self.posted.append(json.loads(await read_body(receive))["id"])
        await self.open.wait()
        await respond(send, self.status, b"")


@contextmanager
def outbox(gateway: Reviews) -> Iterator[asyncio.Task[None]]:
    """A gateway's outbox, at work until the end of the block."""
    task = asyncio.create_task(gateway.run())
    try:
        yield task
    finally:
        task.cancel()


@asynccontextmanager
async def gateways(database: Database) -> AsyncIterator[tuple[Reviews, Reviews]]:
    """The reviews of two gateways over one database."""
    one, two = (Reviews(lambda: database, Webhooks()) for _ in range(2))
    try:
        yield one, two
    finally:
        await one.stop()
        await two.stop()


def decided(database: Database, webhook: str, domain: str = "healthcare") -> str:
    """The id of a review that somebody has decided."""
    opening = ReviewRequest(ReleaseRef(domain, "triage", 1), "clinic", {}, "x", "why", [], None, webhook=webhook)
    return kept.reject(database, kept.open_review(database, opening).id, actor="ann").id


def webhook(database: Database, name: str, url: str) -> str:
    """Add a webhook for the domain; returns its name."""
    return add_webhook(database, name, url, ["healthcare"], allow_private=True, actor="ann").name


def told(database: Database) -> set[str]:
    """Those of which the webhook was told."""
    return {review.id for review in kept.reviews(database).items if review.told is not None}


async def test_two_gateways_post_each_decision_once(database: Database) -> None:
    receiver = Receiver()
    async with serving(receiver) as url, gateways(database) as (one, two):
        name = webhook(database, "decisions", url)
        wanted = {decided(database, name) for _ in range(20)}
        with outbox(one), outbox(two):
            await until(lambda: told(database) == wanted)
        assert sorted(receiver.posted) == sorted(wanted)


async def test_what_a_gateway_claimed_before_it_died_is_posted_after_the_claim_expired(database: Database) -> None:
    receiver = Receiver()
    receiver.open.clear()
    async with serving(receiver) as url, gateways(database) as (one, two):
        name = webhook(database, "decisions", url)
        first = decided(database, name)
        with outbox(one) as dies:
            await until(lambda: receiver.posted == [first])
            dies.cancel()
        receiver.open.set()
        second = decided(database, name)
        with outbox(two):
            await until(lambda: told(database) == {second})
            assert receiver.posted == [first, second], "the claim of the one that died stands"
            with database.engine.begin() as connection:
                connection.exec_driver_sql("UPDATE review SET delivery_claimed_until = created_at")
            two.notify_decided()
            await until(lambda: told(database) == {first, second})
        assert receiver.posted == [first, second, first]


async def test_a_webhook_that_does_not_answer_holds_up_no_other(database: Database) -> None:
    slow, quick = Receiver(), Receiver()
    slow.open.clear()
    async with serving(slow) as slow_url, serving(quick) as url, gateways(database) as (one, _):
        slow_name, quick_name = webhook(database, "slow", slow_url), webhook(database, "quick", url)
        stuck = [decided(database, slow_name) for _ in range(3)]
        wanted = {decided(database, quick_name) for _ in range(5)}
        with outbox(one):
            await until(lambda: told(database) == wanted)
            assert slow.posted == stuck[:1], "one at a time for each endpoint"
            slow.open.set()
            await until(lambda: told(database) == wanted | set(stuck))
        assert slow.posted == stuck
        assert sorted(quick.posted) == sorted(wanted)


async def test_one_dead_webhook_and_eight_that_wait_the_eight_are_told_at_once(database: Database) -> None:
    dead, alive = Receiver(), Receiver()
    dead.open.clear()
    async with serving(dead) as dead_url, serving(alive) as url, gateways(database) as (one, _):
        name = webhook(database, "dead", dead_url)
        for _ in range(3):
            decided(database, name)
        wanted = {decided(database, webhook(database, f"w{number}", f"{url}/{number}")) for number in range(8)}
        with outbox(one):
            await until(lambda: told(database) == wanted)
            assert len(dead.posted) == 1, "it still keeps its first one waiting"
            dead.open.set()


async def test_sixteen_endpoints_are_posted_to_at_a_time_and_no_more(database: Database) -> None:
    receiver = Receiver()
    receiver.open.clear()
    async with serving(receiver) as url, gateways(database) as (one, _):
        decisions = [decided(database, webhook(database, f"w{number}", f"{url}/{number}")) for number in range(20)]
        with outbox(one):
            await until(lambda: len(receiver.posted) == 16)
            one.notify_decided()
            claimed = [row for row in kept.reviews(database).items if row.delivery_claimed_by is not None]
            assert {row.id for row in claimed} == set(receiver.posted) == set(decisions[:16])
            receiver.open.set()
            await until(lambda: told(database) == set(decisions))


async def test_endpoints_that_fail_take_few_of_the_posts_and_are_left_alone_for_a_while(database: Database) -> None:
    receiver, quick = Receiver(), Receiver()
    receiver.status = 500
    async with serving(receiver) as url, serving(quick) as quick_url, gateways(database) as (one, _):
        failing = {decided(database, webhook(database, f"w{number}", f"{url}/{number}")) for number in range(10)}
        with outbox(one):
            await until(lambda: noted_tries(database) == 10)
            assert set(receiver.posted) == failing
            receiver.open.clear()
            with database.engine.begin() as connection:
                connection.exec_driver_sql("UPDATE review SET next_try = decided_at")
            await until(lambda: len(receiver.posted) == 14)
            name = webhook(database, "quick", quick_url)
            wanted = {decided(database, name) for _ in range(20)}
            one.notify_decided()
            await until(lambda: told(database) == wanted)
            assert len(receiver.posted) == 14, "four of those that failed, and no more"
            receiver.open.set()


def noted_tries(database: Database) -> int:
    """How many tries were noted."""
    return sum(review.tries for review in kept.reviews(database).items)


async def test_a_review_of_a_policy_with_a_url_goes_to_the_domains_webhook_with_it_or_nowhere(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver()
    async with serving(receiver) as url, gateways(database) as (one, _):
        review = decided(database, url)
        add_webhook(database, "elsewhere", url, ["legal"], allow_private=True, actor="ann")
        with outbox(one):
            await until(lambda: "is not delivered: healthcare has no webhook with the URL" in caplog.text)
            assert "postil webhooks add NAME URL --domain healthcare" in caplog.text
            await until(lambda: noted_tries(database) == 1)
            assert (receiver.posted, told(database)) == ([], set())
            webhook(database, "decisions", url)
            with database.engine.begin() as connection:
                connection.exec_driver_sql("UPDATE review SET next_try = decided_at")
            await until(lambda: told(database) == {review})
        assert receiver.posted == [review]


async def test_a_webhook_of_another_domain_is_told_nothing(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver()
    async with serving(receiver) as url, gateways(database) as (one, _):
        add_webhook(database, "legal-only", url, ["legal"], allow_private=True, actor="ann")
        decided(database, "legal-only")
        with outbox(one):
            await until(lambda: "is not delivered: healthcare has no webhook legal-only" in caplog.text)
        assert receiver.posted == []


async def test_a_domain_without_a_webhook_holds_up_no_decision_of_the_domain_that_has_it(database: Database) -> None:
    receiver = Receiver()
    async with serving(receiver) as url, gateways(database) as (one, _):
        name = webhook(database, "decisions", url)
        for _ in range(10):
            decided(database, name, "legal")
        wanted = {decided(database, name) for _ in range(3)}
        with outbox(one):
            # Where nothing is posted there is nothing to leave alone: the rest of them are looked at right away too.
            await until(lambda: noted_tries(database) == 13)
        assert (set(receiver.posted), told(database)) == (wanted, wanted)


async def test_an_endpoint_that_accepts_is_not_left_alone_because_that_could_not_be_noted(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver()

    def found() -> Database:
        # The database goes while a post is under way, each time.
        if len(receiver.posted) > len(caplog.messages):
            raise EngineUnavailableError("the gateway is still starting")
        return database

    gateway = Reviews(found, Webhooks())
    async with serving(receiver) as url:
        name = webhook(database, "decisions", url)
        for _ in range(8):
            decided(database, name)
        with outbox(gateway):
            await until(lambda: caplog.text.count("could not be noted") == 8)
        await gateway.stop()


async def test_a_database_that_goes_between_a_post_and_its_note_ends_no_delivery(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    receiver, here = Receiver(), [True]
    receiver.open.clear()

    def found() -> Database:
        if not here[0]:
            raise EngineUnavailableError("the gateway is still starting")
        return database

    gateway = Reviews(found, Webhooks())
    async with serving(receiver) as url:
        name = webhook(database, "decisions", url)
        first = decided(database, name)
        with outbox(gateway):
            await until(lambda: receiver.posted == [first])
            here[0] = False
            receiver.open.set()
            await until(lambda: "could not be noted: EngineUnavailableError" in caplog.text)
            here[0] = True
            second = decided(database, name)
            gateway.notify_decided()
            await until(lambda: told(database) == {second})
        await gateway.stop()
