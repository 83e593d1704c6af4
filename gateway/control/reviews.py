"""Reviews on a running gateway: stores them, waits for decisions, and posts decisions to webhooks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from postil.gateway.control.outbox import Outbox
from postil.gateway.control.webhooks import Webhooks
from postil.gateway.errors import EngineUnavailableError
from postil.gateway.inference.ports import ReviewNotKeptError
from postil.registry.db.database import Database
from postil.registry.db.tables import Review
from postil.registry.errors import RegistryError
from postil.registry.policy.policy import ReviewRules
from postil.registry.reviews import reviews as kept
from postil.registry.reviews.reviews import ReviewRequest

log = logging.getLogger(__name__)
# Maximum number of samples that wait to be stored; further ones are dropped and counted.
_SAMPLES = 100


class Reviews:
    """One gateway's reviews. ``database`` raises EngineUnavailableError while there is none."""

    def __init__(self, database: Callable[[], Database], webhooks: Webhooks) -> None:
        self._database = database
        self._webhooks = webhooks
        self._outbox = Outbox(database, webhooks)
        self._news = asyncio.Event()
        self._sampling: set[asyncio.Task[None]] = set()
        self.dropped_samples = 0
        self.waiting = 0

    async def open(self, opening: ReviewRequest, rules: ReviewRules) -> str:
        """Store a review and return its id. Raises ReviewNotKeptError."""
        opening = replace(opening, assign_to=rules.assign_to, webhook=rules.webhook)
        try:
            review = await asyncio.to_thread(kept.open_review, self._database(), opening)
        except (SQLAlchemyError, RegistryError, EngineUnavailableError) as error:
            log.error("a review of %s could not be kept: %s", opening.release, type(error).__name__)
            raise ReviewNotKeptError from error
        return review.id

    def sample(self, opening: ReviewRequest, rules: ReviewRules) -> None:
        """Store a review of an answer that passed, in the background."""
        if len(self._sampling) >= _SAMPLES:
            self.dropped_samples += 1
            return
        task = asyncio.create_task(self._sampled(opening, rules))
        self._sampling.add(task)
        task.add_done_callback(self._sampling.discard)

    async def get(self, wanted: str, seconds: float = 0.0, *, tenant: str | None = None) -> Review:
        """Return a review; if it is open, wait for a decision, but at most that many seconds.

        A tenant gets only its own reviews, by full id. Raises NotFoundError.
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
        """Wake requests that wait for a decision, which may have been made here or through another gateway."""
        self._news.set()
        self._news = asyncio.Event()
        self._outbox.wake()

    async def run(self) -> None:
        """Post decisions to webhooks, until cancelled."""
        await self._outbox.run()

    async def stop(self) -> None:
        """Wait until the pending samples are stored."""
        await asyncio.gather(*self._sampling, return_exceptions=True)
        self._webhooks.close()

    async def _sampled(self, opening: ReviewRequest, rules: ReviewRules) -> None:
        try:
            await self.open(opening, rules)
        except ReviewNotKeptError:
            self.dropped_samples += 1
