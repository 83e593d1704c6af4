"""Reads training files in a process of its own, with bounded memory and time: they may be made to take much of both.

``python -m postil.registry.jobs.apart PARENT MEMORY SECONDS`` reads the work from its input, and prints how it ended.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from postil.plugins import child_process
from postil.plugins.child_process import bound_memory, bound_time, end_with
from postil.registry.errors import JobError
from postil.registry.jobs import folder, rows
from postil.registry.jobs.methods import Method

log = logging.getLogger(__name__)
_CHILD = "postil.registry.jobs.apart"
# It is waited for by a person, and gives way a little.
_NICER = 5
_MEMORY, _MEMORY_PER_BYTE = 384 << 20, 24
_SECONDS, _SECONDS_PER_MIB = 30, 5
# On a busy machine a process waits for the processor for longer than it has it.
_WAITS = 10
_TOO_MUCH = "reading it takes too much {what}; split it, or shorten its texts"


class Count(msgspec.Struct, tag="count", frozen=True):
    """An uploaded file is to be read, which is shown as ``name``."""

    path: str
    name: str


class Prepare(msgspec.Struct, tag="prepare", frozen=True):
    """The data of a job is to be put into its folder."""

    folder: str
    training: str
    validation: str | None
    seed: int
    reject: str | None
    method: Method | None = None


class Ended(msgspec.Struct, frozen=True):
    """How it ended: the counts of examples, why the file is refused, or the number of the disk's error."""

    counts: tuple[int, ...] = ()
    refused: str | None = None
    param: str | None = None
    disk: int | None = None


Work = Count | Prepare


class BoundedReading:
    """Starts the processes; ``memory`` and ``seconds`` are what each may take, else it follows from the files.

    One that waits ``waits`` times as long for the processor or the disk is ended too.
    """

    def __init__(self, memory: int | None = None, seconds: int | None = None, waits: int = _WAITS) -> None:
        self._memory = memory
        self._seconds = seconds
        self._waits = waits

    def count_rows(self, path: Path, name: str) -> int:
        """As ``rows.count_rows``. Raises JobError or OSError."""
        [count] = self._done(Count(str(path), name), path.stat().st_size, "file")
        return count

    def prepare(
        self,
        place: Path,
        training: Path,
        validation: Path | None,
        *,
        seed: int,
        reject: str | None,
        method: Method | None = None,
    ) -> tuple[int, int]:
        """As ``folder.prepare``. Raises JobError or OSError."""
        size = sum(path.stat().st_size for path in (training, validation) if path is not None and path.is_file())
        work = Prepare(str(place), str(training), None if validation is None else str(validation), seed, reject, method)
        trained, validated = self._done(work, size, "training_file")
        return trained, validated

    def _done(self, work: Work, size: int, param: str) -> tuple[int, ...]:
        memory = self._memory or _MEMORY + _MEMORY_PER_BYTE * size
        seconds = self._seconds or _SECONDS + _SECONDS_PER_MIB * (size >> 20)
        status, said, errors = _run(work, memory, seconds, self._waits * seconds)
        if status != 0:
            raise JobError(_why(status, errors), param)
        ended = msgspec.json.decode(said, type=Ended)
        if ended.disk is not None:
            raise OSError(ended.disk, os.strerror(ended.disk))
        if ended.refused is not None:
            raise JobError(ended.refused, ended.param)
        return ended.counts


def work_on(work: Work) -> Ended:
    """Do the work here."""
    try:
        if isinstance(work, Count):
            return Ended((rows.count_rows(Path(work.path), work.name),))
        validation = None if work.validation is None else Path(work.validation)
        return Ended(
            folder.prepare(
                Path(work.folder),
                Path(work.training),
                validation,
                seed=work.seed,
                reject=work.reject,
                method=work.method,
            )
        )
    except JobError as error:
        return Ended(refused=str(error), param=error.param)
    except MemoryError:
        param = "file" if isinstance(work, Count) else "training_file"
        return Ended(refused=_TOO_MUCH.format(what="memory"), param=param)
    except OSError as error:
        return Ended(disk=error.errno or 0)


def main(arguments: list[str]) -> int:
    """Work until it is done, too long, or the gateway ends."""
    gateway, memory, seconds = map(int, arguments)
    end_with(gateway)
    bound_time(seconds)
    bound_memory(memory)
    work = msgspec.json.decode(sys.stdin.buffer.read(), type=Work)
    sys.stdout.buffer.write(msgspec.json.encode(work_on(work)))
    return 0


def _run(work: Work, memory: int, seconds: int, most: int) -> tuple[int | None, bytes, str]:
    """Return the status of a process, None where its time was over, and what it said. It ends with this thread."""
    pipe = subprocess.PIPE
    arguments = [str(os.getpid()), str(memory), str(seconds)]
    process = child_process.start(_CHILD, arguments, None, pipe, nicer=_NICER, given=pipe, errors=pipe, own={})
    with process:
        try:
            said, errors = process.communicate(msgspec.json.encode(work), most)
            return process.returncode, said, errors.decode(errors="replace")
        except subprocess.TimeoutExpired:
            return None, b"", ""
        finally:
            child_process.kill(process)


def _why(status: int | None, errors: str) -> str:
    """Why a process ended so."""
    if status is None or status == -signal.SIGXCPU:
        return _TOO_MUCH.format(what="time")
    log.error("reading a training file ended with status %s: %s", status, errors[-300:])
    return (
        _TOO_MUCH.format(what="memory")
        if "MemoryError" in errors or status == -signal.SIGKILL
        else ("the process that reads it ended early; see the gateway's log")
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
