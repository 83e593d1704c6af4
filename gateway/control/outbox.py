"""Posts decisions to webhooks, several at a time, so that a slow endpoint does not delay the others."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from postil.gateway.control.webhooks import Webhooks
from postil.gateway.errors import EngineUnavailableError
from postil.registry.accounts.webhooks import endpoint_for
from postil.registry.backoff import Backoff
from postil.registry.db.database import Database
from postil.registry.db.tables import Review, utcnow
from postil.registry.errors import RegistryError
from postil.registry.reviews import deliveries

log = logging.getLogger(__name__)
# Poll interval in seconds, for decisions that are due for a retry.
_LOOK_SECONDS = 5.0
_BACKOFF = Backoff(10.0, 3600.0)
_GIVE_UP = timedelta(days=1)
# Longer than a post may take. If a gateway crashes, others wait this long before they take over its deliveries.
_CLAIM = timedelta(seconds=60)
# Maximum number of concurrent posts, each to another endpoint; so many of them to endpoints that failed last time.
_POSTS = 16
_FAILING_POSTS = 4
# How long an endpoint that fails is left alone.
_ENDPOINT_BACKOFF = Backoff(1.0, 600.0)


class _Endpoints:
    """How the posts to each endpoint go. An endpoint that fails is left alone for a while, and takes few of the posts.

    Endpoints are known by what the reviews say: a webhook's name.
    """

    def __init__(self) -> None:
        self._busy: set[str] = set()
        self._failures: dict[str, int] = {}
        self._again_at: dict[str, float] = {}

    def are_full(self) -> bool:
        """Whether no post may begin now."""
        return len(self._busy) >= _POSTS

    def left_out(self) -> frozenset[str]:
        """Return the endpoints to which no post may begin now."""
        now = time.monotonic()
        waiting = {name for name, at in self._again_at.items() if at > now}
        failing = set(self._failures) if len(self._busy & self._failures.keys()) >= _FAILING_POSTS else set()
        return frozenset(self._busy | waiting | failing)

    def begin(self, name: str) -> None:
        """A post begins."""
        self._busy.add(name)

    def end(self, name: str, *, well: bool) -> None:
        """A post has ended."""
        self._busy.discard(name)
        if well:
            self._failures.pop(name, None)
            self._again_at.pop(name, None)
            return
        self._failures[name] = self._failures.get(name, 0) + 1
        self._again_at[name] = time.monotonic() + _ENDPOINT_BACKOFF.pause(self._failures[name])


class Outbox:
    """Posts one gateway's webhooks. ``database`` raises EngineUnavailableError while there is none."""

    def __init__(self, database: Callable[[], Database], webhooks: Webhooks) -> None:
        self._database = database
        self._webhooks = webhooks
        # Identifies this gateway in the rows that it has claimed.
        self._holder = uuid.uuid4().hex
        self._due = asyncio.Event()

    def wake(self) -> None:
        """Check for decisions to post now."""
        self._due.set()

    async def run(self) -> None:
        """Post decisions to webhooks and retry until they are accepted, until cancelled."""
        endpoints = _Endpoints()
        async with asyncio.TaskGroup() as posts:
            while True:
                self._due.clear()
                try:
                    await self._begin(posts, endpoints)
                except (SQLAlchemyError, RegistryError, EngineUnavailableError) as error:
                    log.warning("decisions could not be looked up for webhooks: %s", type(error).__name__)
                try:
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._due.wait()
                except TimeoutError:
                    pass

    async def _begin(self, posts: asyncio.TaskGroup, endpoints: _Endpoints) -> None:
        """Claim due decisions for endpoints without a running post, and start to post them."""
        while not endpoints.are_full():
            review = await asyncio.to_thread(self._claim, endpoints.left_out())
            if review is None:
                return
            assert review.webhook is not None, "only those with a webhook are due"
            endpoints.begin(review.webhook)
            posts.create_task(self._deliver(review, review.webhook, endpoints))

    async def _deliver(self, review: Review, webhook: str, endpoints: _Endpoints) -> None:
        told = False
        try:
            told = await self._tell(review, webhook)
        except (SQLAlchemyError, RegistryError, EngineUnavailableError) as error:
            log.warning("the webhook delivery of review %s could not be noted: %s", review.id[:8], type(error).__name__)
        finally:
            endpoints.end(webhook, well=told)
            self._due.set()

    async def _tell(self, review: Review, webhook: str) -> bool:
        assert review.decided_at is not None, "only decided ones are due"
        told = await self._post(review, webhook)
        again = utcnow() + timedelta(seconds=_BACKOFF.pause(review.tries + 1))
        given_up = not told and again > review.decided_at + _GIVE_UP
        if given_up:
            log.error("the webhook of review %s accepted nothing for a day; giving up", review.id[:8])
        next_try = None if given_up else again
        await asyncio.to_thread(deliveries.note, self._database(), review, self._holder, told=told, next_try=next_try)
        return told

    async def _post(self, review: Review, webhook: str) -> bool:
        """Post to the endpoint that the policy names, if the domain still has it."""
        endpoint = await asyncio.to_thread(endpoint_for, self._database(), webhook, review.domain)
        if endpoint is None:
            what = "webhook with the URL that its policy has" if "://" in webhook else f"webhook {webhook}"
            log.error(
                "the decision on review %s is not delivered: %s has no %s; add it with"
                " `postil webhooks add NAME URL --domain %s`",
                review.id[:8],
                review.domain,
                what,
                review.domain,
            )
            return False
        return (await self._webhooks.post(endpoint, f"review_{review.id}", told_of(review))).accepted

    def _claim(self, left_out: frozenset[str]) -> Review | None:
        return deliveries.claim(self._database(), self._holder, now=utcnow(), lasts=_CLAIM, busy=left_out)


def told_of(review: Review) -> dict[str, Any]:
    """Return the webhook's payload: the answer that the tenant got, and the decision."""
    return {
        "id": review.id,
        "model": f"{review.domain}/{review.adapter}",
        "release": f"{review.domain}/{review.adapter}@{review.number}",
        "status": review.status,
        # Before a decision: what the client was given. A rejected answer leaves that unchanged.
        "answer": review.final if review.final is not None else review.holding,
        "reason": review.reason,
        "created": review.created_at.isoformat(),
        "decided": review.decided_at.isoformat() if review.decided_at else None,
    }
