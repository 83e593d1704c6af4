"""Runs of the trainer: followed to their end, with what they tell written and the claim renewed meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from postil.gateway.control.jobs.outcome import Follower
from postil.gateway.control.jobs.trainer import Trainer, Trainers
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.errors import InsufficientStorageError, ServiceUnavailableError
from postil.registry.db.tables import utcnow
from postil.registry.errors import JobError, UnavailableError
from postil.registry.jobs import claims
from postil.registry.jobs.claims import Claim

# How often what a run tells is written, and how often a claim is renewed where it tells nothing.
_TELL_SECONDS, _RENEW_SECONDS = 1.0, 10.0
LASTS = timedelta(seconds=60)
# What is over in a while: then it is tried again.
AWAY = (SQLAlchemyError, UnavailableError, ServiceUnavailableError, InsufficientStorageError)


class Runs:
    """The runs of one gateway, one at a time; ``look`` has the claim looked at now."""

    def __init__(self, registry: RegistryHandle, trainers: Trainers, renew_seconds: float = _RENEW_SECONDS) -> None:
        self._registry = registry
        self._trainers = trainers
        self._renew_seconds = renew_seconds
        self.look = asyncio.Event()
        self.trainer: Trainer | None = None

    def close(self) -> None:
        """End the threads."""
        self._trainers.close()

    @asynccontextmanager
    async def renewing(self, held: Claim) -> AsyncIterator[None]:
        """Renew a claim while something else is done for the job."""
        renewing = asyncio.create_task(self._renewing(held))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _renewing(self, held: Claim) -> None:
        while True:
            await asyncio.sleep(self._renew_seconds)
            with suppress(*AWAY):  # The next one may come in time.
                await asyncio.to_thread(partial(claims.report, self._registry.database(), held, now=utcnow()))

    async def followed(self, held: Claim, place: Path, follower: Follower) -> tuple[bool, int]:
        """Run a process to its end; returns whether the job is still this gateway's, and the process's status."""
        try:
            trainer = await self._trainers.start(place)
        except OSError as error:
            raise JobError(f"the training process cannot be started ({error.strerror})") from error
        self.trainer = trainer
        reading = asyncio.create_task(_read(trainer, follower))
        status = 0
        try:
            kept = await self._renewed(held, reading, follower)
            if kept:
                await reading
                await trainer.ended()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            status = await asyncio.shield(trainer.kill())
            self.trainer = None
        return kept, status

    async def _renewed(self, held: Claim, reading: asyncio.Task[None], follower: Follower) -> bool:
        """Write what is told and renew the claim until the process has ended; False once the job is not ours."""
        silent = 0.0
        while True:
            ended = reading.done()
            told = follower.take()
            silent += _TELL_SECONDS
            if told or ended or self.look.is_set() or silent >= self._renew_seconds:
                self.look.clear()
                silent = 0.0
                report = partial(
                    claims.report, self._registry.database(), held, told, follower.progress(), now=utcnow()
                )
                if not await asyncio.to_thread(report):
                    return False
            if ended:
                return True
            await _any(reading, self.look, _TELL_SECONDS)


async def _read(trainer: Trainer, follower: Follower) -> None:
    async for message in trainer.messages():
        follower.follow(message)


async def _any(task: asyncio.Task[None], event: asyncio.Event, seconds: float) -> None:
    """Return when a task has ended, an event is set, or some seconds are over."""
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({task, waiting}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
