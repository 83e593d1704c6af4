"""Posts decisions to webhooks, several at a time, so that a slow address does not delay the others."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from postil.gateway.control.webhooks import Webhooks
from postil.gateway.errors import EngineUnavailableError
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
# Maximum number of concurrent posts, each to another address.
_POSTS = 4


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
        busy: set[str] = set()
        async with asyncio.TaskGroup() as posts:
            while True:
                self._due.clear()
                try:
                    await self._begin(posts, busy)
                except (SQLAlchemyError, RegistryError, EngineUnavailableError) as error:
                    log.warning("decisions could not be looked up for webhooks: %s", type(error).__name__)
                try:
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._due.wait()
                except TimeoutError:
                    pass

    async def _begin(self, posts: asyncio.TaskGroup, busy: set[str]) -> None:
        """Claim due decisions for addresses without a running post, and start to post them."""
        while len(busy) < _POSTS:
            review = await asyncio.to_thread(self._claim, frozenset(busy))
            if review is None:
                return
            assert review.webhook is not None, "only those with a webhook are due"
            busy.add(review.webhook)
            posts.create_task(self._deliver(review, review.webhook, busy))

    async def _deliver(self, review: Review, webhook: str, busy: set[str]) -> None:
        try:
            await self._tell(review, webhook)
        except (SQLAlchemyError, RegistryError, EngineUnavailableError) as error:
            log.warning("the webhook delivery of review %s could not be noted: %s", review.id[:8], type(error).__name__)
        finally:
            busy.discard(webhook)
            self._due.set()

    async def _tell(self, review: Review, webhook: str) -> None:
        assert review.decided_at is not None, "only decided ones are due"
        told = await self._webhooks.post(webhook, told_of(review))
        again = utcnow() + timedelta(seconds=_BACKOFF.pause(review.tries + 1))
        given_up = not told and again > review.decided_at + _GIVE_UP
        if given_up:
            log.error("the webhook of review %s accepted nothing for a day; giving up", review.id[:8])
        next_try = None if given_up else again
        await asyncio.to_thread(deliveries.note, self._database(), review, self._holder, told=told, next_try=next_try)

    def _claim(self, busy: frozenset[str]) -> Review | None:
        return deliveries.claim(self._database(), self._holder, now=utcnow(), lasts=_CLAIM, busy=busy)


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
