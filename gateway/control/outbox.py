"""Posts decisions to webhooks, several at a time, so that a slow endpoint does not delay the others."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
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
from postil.registry.reviews.bounds import OPEN
from postil.registry.reviews.decisions import told_decision

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


# A domain, and what its policy calls the webhook: another domain's may be another, or none.
_Target = tuple[str, str]


class _Endpoints:
    """How the posts to each target go. One that fails is left alone for a while, and takes few of the posts."""

    def __init__(self) -> None:
        self._busy: set[_Target] = set()
        self._failures: dict[_Target, int] = {}
        self._again_at: dict[_Target, float] = {}

    def are_full(self) -> bool:
        """Whether no post may begin now."""
        return len(self._busy) >= _POSTS

    def left_out(self) -> frozenset[_Target]:
        """Return the targets to which no post may begin now."""
        now = time.monotonic()
        waiting = {target for target, at in self._again_at.items() if at > now}
        failing = set(self._failures) if len(self._busy & self._failures.keys()) >= _FAILING_POSTS else set()
        return frozenset(self._busy | waiting | failing)

    def begin(self, target: _Target) -> None:
        """Take a target's turn."""
        self._busy.add(target)

    def end(self, target: _Target) -> None:
        """End a target's turn, whatever came of it."""
        self._busy.discard(target)

    def posted(self, target: _Target, *, accepted: bool) -> None:
        """Note how a post went; where nothing was posted, nothing is known of the endpoint."""
        if accepted:
            self._failures.pop(target, None)
            self._again_at.pop(target, None)
            return
        self._failures[target] = self._failures.get(target, 0) + 1
        self._again_at[target] = time.monotonic() + _ENDPOINT_BACKOFF.pause(self._failures[target])


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
            endpoints.begin((review.domain, review.webhook))
            posts.create_task(self._deliver(review, review.webhook, endpoints))

    async def _deliver(self, review: Review, webhook: str, endpoints: _Endpoints) -> None:
        try:
            accepted = await self._post(review, webhook)
            if accepted is not None:
                endpoints.posted((review.domain, webhook), accepted=accepted)
            await self._note(review, delivered=bool(accepted))
        except (SQLAlchemyError, RegistryError, EngineUnavailableError) as error:
            log.warning("the webhook delivery of review %s could not be noted: %s", review.id[:8], type(error).__name__)
        finally:
            endpoints.end((review.domain, webhook))
            self._due.set()

    async def _note(self, review: Review, *, delivered: bool) -> None:
        decision = told_decision(review)
        assert decision is not None, "only decided ones are due"
        again = utcnow() + timedelta(seconds=_BACKOFF.pause(review.tries + 1))
        given_up = not delivered and again > decision.at + _GIVE_UP
        if given_up:
            log.error("the webhook of review %s accepted nothing for a day; giving up", review.id[:8])
        next_try = None if given_up else again
        note = partial(deliveries.note, self._database(), review, self._holder)
        await asyncio.to_thread(note, told=delivered, next_try=next_try)

    async def _post(self, review: Review, webhook: str) -> bool | None:
        """Post to the endpoint that the policy names; whether it accepted, None if the domain has none."""
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
            return None
        return (await self._webhooks.post(endpoint, f"review_{review.id}", webhook_payload(review))).accepted

    def _claim(self, left_out: frozenset[_Target]) -> Review | None:
        return deliveries.claim(self._database(), self._holder, now=utcnow(), lasts=_CLAIM, busy=left_out)


def webhook_payload(review: Review) -> dict[str, Any]:
    """Return the webhook's payload: the answer that the tenant got, and the decision: the first, if it was undone."""
    told = told_decision(review)
    return {
        "id": review.id,
        "model": f"{review.domain}/{review.adapter}",
        "release": f"{review.domain}/{review.adapter}@{review.number}",
        "status": OPEN if told is None else told.status,
        # Before a decision: what the client was given. A rejected answer leaves that unchanged.
        "answer": told.final if told is not None and told.final is not None else review.holding,
        "reason": review.reason,
        "created": review.created_at.isoformat(),
        "decided": None if told is None else told.at.isoformat(),
    }
