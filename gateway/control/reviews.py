"""Reviews on a running gateway: kept before anything is promised, waited for without asking, told to webhooks."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from postil.gateway.control.webhooks import Webhooks
from postil.gateway.errors import EngineUnavailableError
from postil.gateway.inference.ports import ReviewNotKeptError
from postil.registry.backoff import Backoff
from postil.registry.db.database import Database
from postil.registry.db.tables import Review, utcnow
from postil.registry.errors import RegistryError
from postil.registry.policy.policy import ReviewRules
from postil.registry.reviews import deliveries
from postil.registry.reviews import reviews as kept
from postil.registry.reviews.reviews import ReviewRequest

log = logging.getLogger(__name__)
_OUTBOX_SECONDS = 5.0
_BACKOFF = Backoff(10.0, 3600.0)
_GIVE_UP = timedelta(days=1)
# Longer than a post may take; a gateway that ended meanwhile keeps its delivery from the others for so long.
_CLAIM = timedelta(seconds=60)
# So many samples may be on their way into the database; more are dropped and counted.
_SAMPLES = 100


class Reviews:
    """The reviews of one gateway. ``database`` raises EngineUnavailableError while there is none."""

    def __init__(self, database: Callable[[], Database], webhooks: Webhooks) -> None:
        self._database = database
        self._webhooks = webhooks
        # Which of the gateways over one database this is, in the rows that it has claimed.
        self._holder = uuid.uuid4().hex
        self._news = asyncio.Event()
        self._due = asyncio.Event()
        self._sampling: set[asyncio.Task[None]] = set()
        self.dropped_samples = 0
        self.waiting = 0

    async def open(self, opening: ReviewRequest, rules: ReviewRules) -> str:
        """Keep a review and return its id. Raises ReviewNotKeptError."""
        opening = replace(opening, assign_to=rules.assign_to, webhook=rules.webhook)
        try:
            review = await asyncio.to_thread(kept.open_review, self._database(), opening)
        except (SQLAlchemyError, RegistryError, EngineUnavailableError) as error:
            log.error("a review of %s could not be kept: %s", opening.release, type(error).__name__)
            raise ReviewNotKeptError from error
        return review.id

    def sample(self, opening: ReviewRequest, rules: ReviewRules) -> None:
        """Keep a review of an answer that passed, later; nobody waits for it."""
        if len(self._sampling) >= _SAMPLES:
            self.dropped_samples += 1
            return
        task = asyncio.create_task(self._sampled(opening, rules))
        self._sampling.add(task)
        task.add_done_callback(self._sampling.discard)

    async def get(self, wanted: str, seconds: float = 0.0, *, tenant: str | None = None) -> Review:
        """A review; if it is open, as it is once somebody decides, or after so many seconds.

        For a tenant: one of its own, by its whole id. Raises NotFoundError.
        """
        find = partial(kept.get, wanted=wanted)
        if tenant is not None:
            find = partial(kept.of_tenant, wanted=wanted, tenant=tenant)
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            news = self._news
            review = await asyncio.to_thread(find, self._database())
            left = deadline - asyncio.get_running_loop().time()
            if review.status != kept.OPEN or left <= 0:
                return review
            self.waiting += 1
            try:
                async with asyncio.timeout(left):
                    await news.wait()
            except TimeoutError:
                pass
            finally:
                self.waiting -= 1

    def heard(self) -> None:
        """Somebody decided something, here or through another gateway: whoever waits may look again."""
        self._news.set()
        self._news = asyncio.Event()
        self._due.set()

    async def run(self) -> None:
        """Tell webhooks of decisions, again until they take them; until cancelled."""
        while True:
            self._due.clear()
            try:
                while (review := await asyncio.to_thread(self._claim)) is not None:
                    await self._tell(review)
            except (SQLAlchemyError, RegistryError, EngineUnavailableError) as error:
                log.warning("decisions could not be looked up for webhooks: %s", type(error).__name__)
            try:
                async with asyncio.timeout(_OUTBOX_SECONDS):
                    await self._due.wait()
            except TimeoutError:
                pass

    async def stop(self) -> None:
        """Let the samples that are on their way be kept."""
        await asyncio.gather(*self._sampling, return_exceptions=True)
        await self._webhooks.close()

    async def _sampled(self, opening: ReviewRequest, rules: ReviewRules) -> None:
        try:
            await self.open(opening, rules)
        except ReviewNotKeptError:
            self.dropped_samples += 1

    async def _tell(self, review: Review) -> None:
        assert review.webhook is not None, "only those with a webhook are due"
        assert review.decided_at is not None, "only decided ones are due"
        told = await self._webhooks.post(review.webhook, told_of(review))
        again = utcnow() + timedelta(seconds=_BACKOFF.pause(review.tries + 1))
        if not told and again > review.decided_at + _GIVE_UP:
            log.error("the webhook of review %s took nothing for a day; it is not tried again", review.id[:8])
            await self._noted(review, told=False, next_try=None)
        else:
            await self._noted(review, told=told, next_try=again)

    def _noted(self, review: Review, *, told: bool, next_try: Any) -> Coroutine[Any, Any, None]:
        return asyncio.to_thread(deliveries.note, self._database(), review, self._holder, told=told, next_try=next_try)

    def _claim(self) -> Review | None:
        return deliveries.claim(self._database(), self._holder, now=utcnow(), lasts=_CLAIM)


def told_of(review: Review) -> dict[str, Any]:
    """What a tenant is told of its review: what it got, and what became of it."""
    return {
        "id": review.id,
        "model": f"{review.domain}/{review.adapter}",
        "release": f"{review.domain}/{review.adapter}@{review.number}",
        "status": review.status,
        # Until somebody decides: what the client was given; a rejected answer leaves that in force.
        "answer": review.final if review.final is not None else review.holding,
        "reason": review.reason,
        "created": review.created_at.isoformat(),
        "decided": review.decided_at.isoformat() if review.decided_at else None,
    }
