"""The process that trains a job: started, listened to, and ended with all that it started."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from postil.gateway.errors import BadRequestError
from postil.plugins import child_process
from postil.registry.errors import JobError
from postil.registry.jobs.progress import LONGEST_LINE, Message, decode

_LIBRARIES = ("torch", "transformers", "peft", "accelerate", "sklearn", "trl", "datasets")

_ENDING_SECONDS = 5.0


class TrainingUnavailableError(BadRequestError):
    """This gateway cannot train."""

    code = "training_unavailable"


@dataclass(frozen=True, slots=True)
class TrainerCommand:
    """The module that trains (``python -m module FOLDER CHANNEL PARENT MEMORY``), and the libraries that it needs."""

    module: str = "postil.registry.jobs.trainer"
    libraries: Sequence[str] = _LIBRARIES

    def check(self) -> None:
        """Check that it can work here. Raises TrainingUnavailableError."""
        missing = [name for name in self.libraries if importlib.util.find_spec(name) is None]
        if missing:
            raise TrainingUnavailableError(
                f"fine-tuning needs {', '.join(missing)} on the gateway's machine; install it there with: bash"
                " deploy/setup.sh cpu tune (elsewhere than in a clone of postil: pip install 'postil[tune]')"
            )


class Trainers:
    """Starts processes that train. They end with the thread that starts them, so it lasts as long as this does."""

    def __init__(self, command: TrainerCommand, memory: int, logs: Path) -> None:
        self.command = command
        self._memory = memory
        self._logs = logs
        self._starter = ThreadPoolExecutor(1, "training-processes")

    async def start(self, folder: Path) -> Trainer:
        """Start a process for the job in ``folder``; who gives up meanwhile leaves none. Raises OSError."""
        starting = asyncio.get_running_loop().run_in_executor(self._starter, self._started, folder)
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            with suppress(OSError):
                trainer = await starting
                await trainer.kill()
            raise

    def close(self) -> None:
        """End what was started."""
        self._starter.shutdown(wait=False, cancel_futures=True)

    def _started(self, folder: Path) -> Trainer:
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        heard, told = os.pipe()
        arguments = [str(folder.resolve()), str(told), str(os.getpid()), str(self._memory)]
        with os.fdopen(told, "wb"), ExitStack() as unless_all_is_well:
            pipe = unless_all_is_well.enter_context(os.fdopen(heard, "rb"))
            with open(self._log(), "ab") as log:
                process = child_process.start(self.command.module, arguments, told, log.fileno(), own=_room(folder))
            unless_all_is_well.pop_all()
            return Trainer(process, pipe)

    def _log(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        log = os.open(self._logs / "training.log", flags, 0o600)
        child_process.shorten(log)
        return log


def _room(folder: Path) -> dict[str, str]:
    """A place for temporary files that goes with the job's folder."""
    place = folder.resolve() / "tmp"
    place.mkdir(mode=0o700, exist_ok=True)
    return {"TMPDIR": str(place)}


class Trainer:
    """A process that trains, and what it tells."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: IO[bytes]) -> None:
        self._process = process
        self._pipe = pipe

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what it tells, until it has ended. Raises JobError if that makes no sense."""
        reader = asyncio.StreamReader(limit=LONGEST_LINE)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._pipe
        )
        try:
            # One that is killed may leave a part of a line.
            while (line := await reader.readline()).endswith(b"\n"):
                yield decode(line)
        except ValueError as error:  # The line is too long.
            raise JobError("the training process told more than a line may hold; see the gateway's log") from error
        finally:
            transport.close()

    async def ended(self) -> None:
        """Return when it has ended by itself, or some seconds are over: it closes its channel a little earlier."""
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, _ENDING_SECONDS)

    async def kill(self) -> int:
        """End it, if it has not ended; returns its status, negative for a signal."""
        status = await asyncio.to_thread(child_process.kill, self._process)
        self._pipe.close()
        return status
