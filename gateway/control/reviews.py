"""Reviews on a running gateway: stores them, waits for decisions, and posts decisions to webhooks."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from postil.gateway.control.outbox import Outbox
from postil.gateway.control.review_waits import ReviewWaits
from postil.gateway.control.webhooks import Webhooks
from postil.gateway.errors import EngineUnavailableError
from postil.gateway.inference.ports import ReviewNotKeptError
from postil.gateway.telemetry.request_id import current
from postil.registry.db.database import Database
from postil.registry.db.tables import Review
from postil.registry.errors import QuotaError, RegistryError
from postil.registry.policy.policy import ReviewRules
from postil.registry.reviews import reviews as kept
from postil.registry.reviews.bounds import ReviewBounds
from postil.registry.reviews.decisions import told_decision
from postil.registry.reviews.reviews import ReviewRequest

log = logging.getLogger(__name__)
# Maximum number of samples that wait to be stored; further ones are dropped and counted.
_SAMPLES = 100
# Requests of one tenant that wait for a decision at a time.
_WAITS = 8
# Full reviews are said so often.
_SAY_SECONDS = 60.0
_BOUNDS = ReviewBounds()


class Reviews:
    """One gateway's reviews. ``database`` raises EngineUnavailableError while there is none."""

    def __init__(
        self,
        database: Callable[[], Database],
        webhooks: Webhooks,
        bounds: ReviewBounds = _BOUNDS,
        *,
        waits_per_tenant: int = _WAITS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._webhooks = webhooks
        self._bounds = bounds
        self._outbox = Outbox(database, webhooks)
        self._waits = ReviewWaits(waits_per_tenant)
        self._sampling: set[asyncio.Task[None]] = set()
        self._clock = clock
        self._said_full = -_SAY_SECONDS
        self._drawn = 0
        self.dropped_samples = 0

    @property
    def waiting(self) -> int:
        """How many requests wait for a decision."""
        return self._waits.count

    async def open(self, opening: ReviewRequest, rules: ReviewRules) -> str:
        """Store a review and return its id. Raises ReviewNotKeptError."""
        opening = replace(opening, assign_to=rules.assign_to, webhook=rules.webhook, keep_days=rules.keep_days)
        if not opening.request_id:  # A worker's has come with it.
            opening = replace(opening, request_id=current())
        try:
            review = await asyncio.to_thread(kept.open_review, self._database(), opening, self._bounds)
        except QuotaError as error:
            self._say_full(error)
            raise ReviewNotKeptError from error
        except (SQLAlchemyError, RegistryError, EngineUnavailableError) as error:
            log.error("a review of %s could not be kept: %s", opening.release, type(error).__name__)
            raise ReviewNotKeptError from error
        return review.id

    def sample(self, opening: ReviewRequest, rules: ReviewRules) -> None:
        """Store a review of an answer that passed, in the background."""
        self._drawn += 1
        if len(self._sampling) >= _SAMPLES:
            self.dropped_samples += 1
            return
        # What is drawn and dropped is not reviewed: it makes it less probable that any is.
        kept_share = 1 - self.dropped_samples / self._drawn
        opening = replace(opening, probability=opening.probability * kept_share)
        task = asyncio.create_task(self._sampled(opening, rules))
        self._sampling.add(task)
        task.add_done_callback(self._sampling.discard)

    async def get(self, wanted: str, seconds: float = 0.0, *, tenant: tuple[str, str] | None = None) -> Review:
        """Return a review; if it is open, wait for a decision, but at most that many seconds.

        A tenant (its name and id) gets only its own reviews, by full id. Raises NotFoundError, or
        RequestsLimitedError if too many of its requests wait.
        """
        find = partial(kept.get, wanted=wanted)
        if tenant is not None:
            find = partial(kept.of_tenant, wanted=wanted, tenant=tenant[0], uid=tenant[1])
        deadline = asyncio.get_running_loop().time() + seconds
        review = await asyncio.to_thread(find, self._database())
        if told_decision(review) is not None or seconds <= 0:
            return review
        with self._waits.entered(review.id, tenant) as decided:
            # Once more: it may have been decided before it was waited for.
            review = await asyncio.to_thread(find, self._database())
            left = deadline - asyncio.get_running_loop().time()
            if told_decision(review) is not None or not await decided(left):
                return review
        return await asyncio.to_thread(find, self._database())

    def notify_decided(self, *decided: str) -> None:
        """Wake the requests that wait for these reviews, and whoever posts decisions."""
        self._waits.wake(decided)
        self._outbox.wake()

    async def sync_decided(self) -> None:
        """Wake the requests whose reviews were decided through another gateway."""
        self._outbox.wake()
        if waited_for := self._waits.ids():
            self._waits.wake(await asyncio.to_thread(kept.no_longer_open, self._database(), waited_for))

    async def run(self) -> None:
        """Post decisions to webhooks, until cancelled."""
        await self._outbox.run()

    async def stop(self) -> None:
        """Wait until the pending samples are stored."""
        await asyncio.gather(*self._sampling, return_exceptions=True)
        self._webhooks.close()

    def _say_full(self, error: QuotaError) -> None:
        now = self._clock()
        if now - self._said_full >= _SAY_SECONDS:
            self._said_full = now
            log.warning("a review could not be kept, and so its answer was not given: %s", error)

    async def _sampled(self, opening: ReviewRequest, rules: ReviewRules) -> None:
        try:
            await self.open(opening, rules)
        except ReviewNotKeptError:
            self.dropped_samples += 1
