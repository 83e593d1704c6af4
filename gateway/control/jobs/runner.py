"""Works on fine-tuning jobs: checks their data, and trains one at a time.

A job is claimed; the claim is renewed while its process runs. When a gateway ends, it gives its jobs back; when it is
killed, the next one in the same home takes them up at once, and others do when the claim has expired.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from postil.gateway.control.jobs.outcome import Follower
from postil.gateway.control.jobs.result import ResultPublisher
from postil.gateway.control.jobs.service import FineTuning
from postil.gateway.control.jobs.trainer import Trainer, Trainers
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.errors import GatewayError, ServiceUnavailableError
from postil.plugins.errors import PluginError
from postil.registry.db.job_tables import TrainingJob
from postil.registry.db.tables import utcnow
from postil.registry.errors import JobError, NotFoundError, RegistryError, UnavailableError
from postil.registry.jobs import claims, folder, jobs
from postil.registry.jobs.apart import Apart
from postil.registry.jobs.claims import Claim
from postil.registry.jobs.options import JobOptions, train_options
from postil.registry.jobs.progress import Failed
from postil.registry.jobs.states import OPEN, JobStatus

log = logging.getLogger(__name__)
ACTOR = "postil"
# How often the database is asked for work, unless somebody here has some.
_LOOK_SECONDS = 5.0
# How often what a run tells is written, and how often a claim is renewed where it tells nothing.
_TELL_SECONDS, _RENEW_SECONDS = 1.0, 10.0
_LASTS = timedelta(seconds=60)
# So often a process may end too early.
_CRASHES = 3
# What is over in a while: then it is tried again.
_AWAY = (SQLAlchemyError, UnavailableError, ServiceUnavailableError)


class JobRunner:
    """The worker of one gateway. Files of jobs that have ended are deleted."""

    def __init__(
        self, registry: RegistryHandle, tuning: FineTuning, trainers: Trainers, results: ResultPublisher, home: Path
    ) -> None:
        self._registry = registry
        self._tuning = tuning
        self._trainers = trainers
        self._results = results
        # The same after a restart: one gateway at a time has a home, so what it holds from before is its own.
        self._holder = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:32]
        # Of the loop that checks data, and of that which trains.
        self._news = (asyncio.Event(), asyncio.Event())
        self._look = asyncio.Event()
        self.trainer: Trainer | None = None

    def wake(self) -> None:
        """Look at once for what to do, and whether what is done is still wanted."""
        for news in self._news:
            news.set()
        self._look.set()

    async def run(self) -> None:
        """Work until cancelled; what is at work then is given back."""
        await asyncio.to_thread(self._sweep)
        async with asyncio.TaskGroup() as group:
            for news, step in zip(self._news, (self._validate_next, self._train_next), strict=True):
                group.create_task(self._forever(news, step))

    def close(self) -> None:
        """End the threads; every process has ended with ``run``."""
        self._trainers.close()

    async def _forever(self, news: asyncio.Event, step: Callable[[], Awaitable[bool]]) -> None:
        while True:
            try:
                busy = await step()
            except _AWAY as error:
                log.warning("fine-tuning jobs could not be looked up: %s", type(error).__name__)
                busy = False
            if not busy:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await news.wait()
                news.clear()

    async def _claimed(self, *statuses: JobStatus) -> tuple[TrainingJob, Claim] | None:
        database = self._registry.database()
        job = await asyncio.to_thread(claims.claim, database, statuses, self._holder, now=utcnow(), lasts=_LASTS)
        return None if job is None else (job, Claim(job.id, self._holder, _LASTS))

    async def _validate_next(self) -> bool:
        await asyncio.to_thread(self._tuning.files.remove_expired, utcnow(), actor=ACTOR)
        found = await self._claimed(JobStatus.VALIDATING)
        if found is None:
            return False
        await self._guarded(*found, self._validated(*found))
        return True

    async def _validated(self, job: TrainingJob, held: Claim) -> None:
        try:
            trained, validated = await asyncio.to_thread(self._prepare, job)
        except (JobError, OSError) as error:
            await self._fail(job, held, error, "invalid_training_file")
            return
        message = f"Files validated: {trained} examples to learn, {validated} to validate with; moving job to queued"
        await asyncio.to_thread(self._queue, job, held, message)
        self.wake()

    def _queue(self, job: TrainingJob, held: Claim, message: str) -> None:
        database = self._registry.database()
        if claims.move(database, held, JobStatus.QUEUED, message):
            claims.release(database, held)
        else:
            self._forget(job)

    def _prepare(self, job: TrainingJob) -> tuple[int, int]:
        files, asked = self._tuning.files, JobOptions.model_validate(job.options)
        validation = None if job.validation_file is None else files.path(job.validation_file)
        place = self._tuning.place_of(job.id)
        counts = Apart().prepare(place, files.path(job.training_file), validation, seed=job.seed, reject=asked.reject)
        registry = self._registry.get()
        told = train_options(
            asked, place, registry.base, seed=job.seed, window=registry.window, device=self._tuning.bounds.device
        )
        folder.write_options(place, told)
        return counts

    async def _train_next(self) -> bool:
        self._look.clear()
        found = await self._claimed(JobStatus.RUNNING, JobStatus.QUEUED)
        if found is None:
            return False
        job, held = found
        if job.status == JobStatus.QUEUED:
            move = partial(claims.move, self._registry.database(), held, JobStatus.RUNNING, "Fine-tuning job started")
            if not await asyncio.to_thread(move):
                return True
        try:
            await self._guarded(job, held, self._work(job, held))
        except BaseException:
            with suppress(*_AWAY, GatewayError):  # Without a database the claim expires.
                await asyncio.shield(asyncio.to_thread(claims.release, self._registry.database(), held))
            raise
        return True

    async def _guarded(self, job: TrainingJob, held: Claim, work: Coroutine[Any, Any, None]) -> None:
        """Do a part of a job; a fault of ours fails it, so that it does not stop the jobs after it."""
        try:
            await work
        except _AWAY:
            raise
        except Exception:
            log.exception("fine-tuning job %s failed", job.id)
            sentence = "the gateway failed on this job; its log says why"
            await self._fail(job, held, JobError(sentence), "internal_error")

    async def _work(self, job: TrainingJob, held: Claim) -> None:
        """Train and publish, or publish only where the result is there from before a restart."""
        place = self._tuning.place_of(job.id)
        if folder.result(place) is None and not await self._trained(job, held, place):
            return
        try:
            model, metrics = await self._results.publish(job, place)
        except _AWAY:
            raise
        except (RegistryError, PluginError, GatewayError, OSError) as error:
            await self._fail(job, held, error, "not_published")
            return
        await asyncio.to_thread(claims.succeed, self._registry.database(), held, model, metrics, actor=ACTOR)
        await asyncio.to_thread(folder.remove, place)

    async def _trained(self, job: TrainingJob, held: Claim, place: Path) -> bool:
        """Run the trainer until there is a result; False if there will be none, and the job has ended or is lost."""
        while True:
            follower = Follower()
            try:
                kept, status = await self._followed(held, place, follower)
            except JobError as error:
                await self._fail(job, held, error, "training_failed")
                return False
            if not kept:
                await asyncio.to_thread(self._forget, job)
                return False
            if isinstance(follower.outcome, Failed):
                await self._fail(job, held, JobError(follower.outcome.message), follower.outcome.code)
                return False
            if folder.result(place) is not None:
                return True
            if not await self._crashed(job, held, status):
                return False

    async def _followed(self, held: Claim, place: Path, follower: Follower) -> tuple[bool, int]:
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
            if told or ended or self._look.is_set() or silent >= _RENEW_SECONDS:
                self._look.clear()
                silent = 0.0
                report = partial(
                    claims.report, self._registry.database(), held, told, follower.progress(), now=utcnow()
                )
                if not await asyncio.to_thread(report):
                    return False
            if ended:
                return True
            await _any(reading, self._look, _TELL_SECONDS)

    async def _crashed(self, job: TrainingJob, held: Claim, status: int) -> bool:
        """Note that the process ended too early; whether it is tried again."""
        how = f"signal {-status}" if status < 0 else f"status {status}"
        message = f"The training process ended early ({how})"
        count = await asyncio.to_thread(claims.crashed, self._registry.database(), held, message)
        if count is not None and count < _CRASHES:
            return True
        said = (
            f"the training process ended early {_CRASHES} times, the last time by {how}; the gateway's log"
            " logs/training.log may say why: often the machine has too little memory"
        )
        await self._fail(job, held, JobError(said), "training_crashed")
        return False

    async def _fail(self, job: TrainingJob, held: Claim, error: Exception, code: str) -> None:
        param = getattr(error, "param", None)
        message = str(error) if not isinstance(error, OSError) else "the gateway's disk refused the job's files"
        fail = partial(claims.fail, self._registry.database(), held, message, code=code, param=param, actor=ACTOR)
        if await asyncio.to_thread(fail):
            log.warning("fine-tuning job %s failed: %s", job.id, message)
        await asyncio.to_thread(folder.remove, self._tuning.place_of(job.id))

    def _sweep(self) -> None:
        """Delete the folders of jobs that have ended, which a gateway that was killed has left."""
        for job_id in self._tuning.folders():
            try:
                ended = jobs.get(self._registry.database(), job_id, None).status not in OPEN
            except NotFoundError:
                ended = True
            if ended:
                folder.remove(self._tuning.place_of(job_id))

    def _forget(self, job: TrainingJob) -> None:
        """Delete the files of a job that was cancelled; those that another gateway works on stay."""
        if jobs.get(self._registry.database(), job.id, None).status == JobStatus.CANCELLED:
            folder.remove(self._tuning.place_of(job.id))


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
