"""What clients do with training files and fine-tuning jobs, on a running gateway."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from postil.gateway.control.disk import FreeSpace
from postil.gateway.control.jobs.trainer import TrainerCommand
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.errors import TooLargeError
from postil.gateway.threads import Threads, finished
from postil.registry.base_model.model import BaseModel
from postil.registry.db.job_tables import TrainingFile, TrainingJob
from postil.registry.errors import JobError
from postil.registry.jobs import folder, jobs
from postil.registry.jobs.files import UNFINISHED, TrainingFiles, Upload
from postil.registry.jobs.folder import plain
from postil.registry.jobs.jobs import JobRequest
from postil.registry.jobs.methods import LABELS
from postil.registry.jobs.options import train_options
from postil.registry.policy.policy import parse_policy
from postil.registry.training.errors import ShapeError
from postil.registry.training.options import Device
from postil.registry.training.shape import check_shape

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class TrainingBounds:
    """What files and jobs may take."""

    file_bytes: int
    domain_bytes: int
    open_jobs: int
    max_rank: int
    device: Device = "cpu"


class FineTuning:
    """Training files and jobs. ``on_change`` is called when there is something to do, or to stop."""

    def __init__(
        self,
        registry: RegistryHandle,
        folder: Path,
        disk: FreeSpace,
        threads: Threads,
        bounds: TrainingBounds,
        command: TrainerCommand,
    ) -> None:
        self._registry = registry
        self._folder = folder
        self._disk = disk
        self._threads = threads
        self._command = command
        self.bounds = bounds
        self.on_change: Callable[[], None] = lambda: None

    @property
    def files(self) -> TrainingFiles:
        """The training files. Raises EngineUnavailableError until the registry is open."""
        return TrainingFiles(self._registry.database(), self._folder / "files", self.bounds.domain_bytes)

    def place_of(self, job_id: str) -> Path:
        """Where a job is worked on."""
        return self._folder / "jobs" / job_id

    def folders(self) -> list[str]:
        """The jobs that have a folder."""
        return sorted(path.name for path in (self._folder / "jobs").glob("*"))

    @contextmanager
    def admitted(self, upload_bytes: int | None) -> Iterator[None]:
        """Let an upload in before its body is read. Raises TooLargeError or InsufficientStorageError."""
        most = self.bounds.file_bytes
        if upload_bytes is not None and upload_bytes > most + _CHUNK:
            raise self.too_large()
        size = most if upload_bytes is None else upload_bytes
        with self._disk.reserved(stored=size, spooled=size):
            yield

    def too_large(self) -> TooLargeError:
        """The error for a file over the limit."""
        return TooLargeError(
            f"the file is larger than {self.bounds.file_bytes >> 20} MiB; split it, or have an admin raise"
            " POSTIL_TRAINING_FILE_MIB",
            param="file",
        )

    async def add_file(self, content: IO[bytes], upload: Upload) -> TrainingFile:
        """Take an uploaded file, which gets its place here. Raises JobError, TextError or TooLargeError."""

        def take() -> TrainingFile:
            with self._copied(content) as path:
                return self.files.add(replace(upload, path=path))

        return await finished(self._threads.run(upload.domain, upload.owner, take))

    async def create(self, wanted: JobRequest) -> TrainingJob:
        """Make a job. Raises JobError, PolicyError, SignatureError, ConflictError or TrainingUnavailableError."""
        self._command.check()
        registry = self._registry.get()
        self._check(wanted, registry.base)
        await asyncio.to_thread(self._check_publish, wanted)
        made = await asyncio.to_thread(jobs.create, registry.database, wanted, most_open=self.bounds.open_jobs)
        self.on_change()
        return made

    async def cancel(self, job_id: str, scope: Collection[str] | None, actor: str) -> TrainingJob:
        """Cancel a job. Raises NotFoundError, or JobError if it has ended."""
        done = await self._changed(jobs.cancel, job_id, scope, actor)
        await asyncio.to_thread(folder.remove, self.place_of(done.id))
        return done

    async def pause(self, job_id: str, scope: Collection[str] | None, actor: str) -> TrainingJob:
        """Pause a job. Raises NotFoundError, or JobError if it neither waits nor runs."""
        return await self._changed(jobs.pause, job_id, scope, actor)

    async def resume(self, job_id: str, scope: Collection[str] | None, actor: str) -> TrainingJob:
        """Put a paused job back into the queue. Raises NotFoundError, or JobError if it is not paused."""
        return await self._changed(jobs.resume, job_id, scope, actor)

    async def _changed(
        self, act: Callable[..., TrainingJob], job_id: str, scope: Collection[str] | None, actor: str
    ) -> TrainingJob:
        done = await asyncio.to_thread(act, self._registry.database(), job_id, scope, actor=actor)
        self.on_change()
        return done

    def _check_publish(self, wanted: JobRequest) -> None:
        """Refuse now what its publish would refuse after the training."""
        asked = wanted.options
        policy = None if asked.policy is None else parse_policy(asked.policy)
        self._registry.get().check_ahead(wanted.name, policy, note=asked.note, scope=wanted.scope)

    def _check(self, wanted: JobRequest, base: BaseModel) -> None:
        if wanted.options.lora_r > self.bounds.max_rank:
            raise JobError(
                f"postil.lora_r is {wanted.options.lora_r}, and this gateway serves ranks up to {self.bounds.max_rank}",
                "postil.lora_r",
            )
        try:
            told = train_options(
                wanted.options,
                self._folder,
                base,
                method=wanted.options.method or LABELS,
                seed=wanted.seed,
                window=None,
                device=self.bounds.device,
            )
            check_shape(told, base)
        except ShapeError as error:
            raise JobError(plain(str(error), self._folder), "postil.targets") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise JobError(f"{first['loc'][0]}: {first['msg']}", str(first["loc"][0])) from error

    @contextmanager
    def _copied(self, content: IO[bytes]) -> Iterator[Path]:
        """A copy on the disk of the training files, gone after the block unless it was moved."""
        folder = self._folder / "files"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=UNFINISHED, dir=folder)
        path = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                left = self.bounds.file_bytes
                while chunk := content.read(_CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise self.too_large()
                    file.write(chunk)
            yield path
        finally:
            path.unlink(missing_ok=True)
