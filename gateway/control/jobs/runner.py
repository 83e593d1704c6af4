"""Works on fine-tuning jobs: checks their data, and trains one at a time.

A job is claimed; the claim is renewed while its process runs. When a gateway ends, it gives its jobs back; when it is
killed, the next one in the same home takes them up at once, and others do when the claim has expired.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from postil.gateway.control.jobs.holder import holder_of
from postil.gateway.control.jobs.outcome import Follower
from postil.gateway.control.jobs.result import ResultPublisher
from postil.gateway.control.jobs.runs import AWAY, LASTS, Runs
from postil.gateway.control.jobs.service import FineTuning
from postil.gateway.control.jobs.trainer import Trainer
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.errors import GatewayError
from postil.plugins.errors import PluginError
from postil.registry.db.job_tables import TrainingJob
from postil.registry.db.tables import utcnow
from postil.registry.errors import JobError, NotFoundError, RegistryError, UnavailableError
from postil.registry.jobs import claims, folder, jobs
from postil.registry.jobs.apart import BoundedReading
from postil.registry.jobs.claims import Claim
from postil.registry.jobs.methods import SPOKEN
from postil.registry.jobs.options import JobOptions, train_options
from postil.registry.jobs.progress import BUSY, Failed
from postil.registry.jobs.states import OPEN, JobStatus

log = logging.getLogger(__name__)
ACTOR = "postil"
# How often the database is asked for work, unless somebody here has some.
_LOOK_SECONDS = 5.0
# So often a process may end too early.
_CRASHES = 3


class JobRunner:
    """The worker of one gateway. Files of jobs that have ended are deleted."""

    def __init__(
        self, registry: RegistryHandle, tuning: FineTuning, runs: Runs, results: ResultPublisher, home: Path
    ) -> None:
        self._registry = registry
        self._tuning = tuning
        self._runs = runs
        self._results = results
        self._home = home
        self._holder = ""
        # Of the loop that checks data, and of that which trains.
        self._news = (asyncio.Event(), asyncio.Event())

    @property
    def trainer(self) -> Trainer | None:
        """The process that trains now."""
        return self._runs.trainer

    def wake(self) -> None:
        """Look at once for what to do, and whether what is done is still wanted."""
        for news in self._news:
            news.set()
        self._runs.look.set()

    async def run(self) -> None:
        """Work until cancelled; what is at work then is given back."""
        self._holder = await asyncio.to_thread(holder_of, self._home)
        await asyncio.to_thread(self._sweep)
        async with asyncio.TaskGroup() as group:
            for news, step in zip(self._news, (self._validate_next, self._train_next), strict=True):
                group.create_task(self._forever(news, step))

    def close(self) -> None:
        """End the threads; every process has ended with ``run``."""
        self._runs.close()

    async def _forever(self, news: asyncio.Event, step: Callable[[], Awaitable[bool]]) -> None:
        while True:
            try:
                busy = await step()
            except AWAY as error:
                log.warning("fine-tuning jobs could not be looked up: %s", type(error).__name__)
                busy = False
            if not busy:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await news.wait()
                news.clear()

    async def _claimed(self, *statuses: JobStatus) -> tuple[TrainingJob, Claim] | None:
        database = self._registry.database()
        job = await asyncio.to_thread(claims.claim, database, statuses, self._holder, now=utcnow(), lasts=LASTS)
        return None if job is None else (job, Claim(job.id, self._holder, LASTS))

    async def _validate_next(self) -> bool:
        await asyncio.to_thread(self._tuning.files.remove_expired, utcnow(), actor=ACTOR)
        found = await self._claimed(JobStatus.VALIDATING)
        if found is None:
            return False
        await self._guarded(*found, self._validated(*found))
        return True

    async def _validated(self, job: TrainingJob, held: Claim) -> None:
        try:
            message = await asyncio.to_thread(self._prepare, job)
        except (JobError, OSError) as error:
            await self._fail(job, held, error, "invalid_training_file")
            return
        await asyncio.to_thread(self._queue, job, held, message, JobStatus.QUEUED)
        self.wake()

    def _queue(self, job: TrainingJob, held: Claim, message: str, status: JobStatus) -> None:
        database = self._registry.database()
        if claims.move(database, held, status, message):
            claims.release(database, held)
        else:
            self._forget(job)

    def _prepare(self, job: TrainingJob) -> str:
        """Put a job's data into its folder; returns the sentence that says what is there."""
        files, asked = self._tuning.files, JobOptions.model_validate(job.options)
        validation = None if job.validation_file is None else files.path(job.validation_file)
        place = self._tuning.place_of(job.id)
        trained, validated = BoundedReading().prepare(
            place,
            files.path(job.training_file),
            validation,
            seed=job.seed,
            reject=asked.reject,
            method=asked.method,
        )
        what = SPOKEN[folder.method_in(place)]
        return (
            f"Files validated: {trained} examples to learn ({what}), {validated} to validate with; moving job to queued"
        )

    def _instruct(self, job: TrainingJob, place: Path) -> None:
        """Write what the trainer is to do, on this machine: another may have checked the data."""
        asked = JobOptions.model_validate(job.options)
        registry = self._registry.get()
        told = train_options(
            asked,
            place,
            registry.base,
            method=folder.method_in(place),
            seed=job.seed,
            window=registry.window,
            device=self._tuning.bounds.device,
        )
        folder.write_options(place, told)

    async def _train_next(self) -> bool:
        self._runs.look.clear()
        found = await self._claimed(JobStatus.PUBLISHING, JobStatus.RUNNING, JobStatus.QUEUED)
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
            with suppress(*AWAY, GatewayError):  # Without a database the claim expires.
                await asyncio.shield(asyncio.to_thread(claims.release, self._registry.database(), held))
            raise
        return True

    async def _guarded(self, job: TrainingJob, held: Claim, work: Coroutine[Any, Any, None]) -> None:
        """Do a part of a job; a fault of ours fails it, so that it does not stop the jobs after it."""
        try:
            async with self._runs.renewing(held):
                await work
        except AWAY:
            raise
        except Exception:
            log.exception("fine-tuning job %s failed", job.id)
            sentence = "the gateway failed on this job; its log says why"
            await self._fail(job, held, JobError(sentence), "internal_error")

    async def _work(self, job: TrainingJob, held: Claim) -> None:
        """Train and publish, or publish only where the result is there from before a restart."""
        place = self._tuning.place_of(job.id)
        if folder.result(place) is None and not folder.is_prepared(place):
            again = "The job's data is not on this disk; moving job to validating_files"
            await asyncio.to_thread(self._queue, job, held, again, JobStatus.VALIDATING)
            self.wake()
            return
        if folder.result(place) is None and not await self._trained(job, held, place):
            return
        database = self._registry.database()
        move = partial(claims.move, database, held, JobStatus.PUBLISHING, "Training is done; publishing its release")
        if job.status != JobStatus.PUBLISHING and not await asyncio.to_thread(move):
            await asyncio.to_thread(self._forget, job)
            return
        try:
            model, metrics = await self._results.publish(job, place)
        except AWAY:
            with suppress(*AWAY):  # Then it may be cancelled, before it is tried again.
                again = "The release could not be published now; it is tried again"
                await asyncio.to_thread(claims.move, database, held, JobStatus.RUNNING, again)
            raise
        except (RegistryError, PluginError, GatewayError, OSError) as error:
            await self._fail(job, held, error, "not_published")
            return
        if await asyncio.to_thread(partial(claims.succeed, database, held, model, metrics, actor=ACTOR)):
            await asyncio.to_thread(folder.remove, place)

    async def _trained(self, job: TrainingJob, held: Claim, place: Path) -> bool:
        """Run the trainer until there is a result; False if there will be none, and the job has ended or is lost."""
        await asyncio.to_thread(self._instruct, job, place)
        while True:
            follower = Follower()
            try:
                kept, status = await self._runs.followed(held, place, follower)
            except JobError as error:
                await self._fail(job, held, error, "training_failed")
                return False
            if not kept:
                await asyncio.to_thread(self._forget, job)
                return False
            if isinstance(follower.outcome, Failed):
                if follower.outcome.code == BUSY:
                    raise UnavailableError(follower.outcome.message)
                await self._fail(job, held, JobError(follower.outcome.message), follower.outcome.code)
                return False
            if folder.result(place) is not None:
                return True
            if not await self._crashed(job, held, status):
                return False

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
            # Its message may quote labels.
            log.warning("fine-tuning job %s failed: %s", job.id, code)
            await asyncio.to_thread(folder.remove, self._tuning.place_of(job.id))
        else:
            await asyncio.to_thread(self._forget, job)

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
