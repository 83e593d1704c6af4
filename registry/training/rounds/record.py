"""The folder of a round: each step's result with its digest, so that a killed round goes on where it was."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from postil.registry.fsutil import sha256_file, write_private
from postil.registry.training.errors import RoundError

RECORD = "round.json"
_LOCK = "lock"


class Step(BaseModel):
    """A step that was done: the digests of what went in, and what came out, as a file or a folder of the round."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    inputs: dict[str, str]
    file: str
    digest: str
    details: dict[str, Any] = {}
    seconds: float


class Round(BaseModel):
    """What is known of a round: whose it is, the files that somebody named for it, and the steps that are done.

    ``published`` is the release that it became, once it did.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    adapter: str
    given: dict[str, tuple[str, ...]] = {}
    steps: tuple[Step, ...] = ()
    published: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What a step made: a file or folder in the round's folder, and figures of it for people."""

    path: Path
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """A step with its record; ``kept`` says that nothing had to be done."""

    step: Step
    kept: bool


class RoundFolder:
    """A round in its folder."""

    def __init__(self, path: Path, round_: Round) -> None:
        self.path = path
        self.round = round_

    @classmethod
    def read(cls, path: Path, adapter: str) -> RoundFolder:
        """Read what is in a folder, which may be new. Raises RoundError where it is another adapter's, or none."""
        try:
            found = Round.model_validate_json((path / RECORD).read_bytes())
        except FileNotFoundError:
            return cls(path, Round(adapter=adapter))
        except (OSError, ValidationError) as error:
            raise RoundError(f"{path / RECORD} is no record of a round; name another folder with --round") from error
        if found.adapter != adapter:
            raise RoundError(f"{path} is the round of {found.adapter}; name another folder with --round")
        return cls(path, found)

    def change(self, **values: Any) -> None:
        """Change what is known, and write it."""
        self.round = self.round.model_copy(update=values)
        write_private(self.path / RECORD, self.round.model_dump_json(indent=2) + "\n")

    def find(self, name: str) -> Step | None:
        """Return the record of a step, if it was done."""
        return next((step for step in self.round.steps if step.name == name), None)

    def step(self, name: str) -> Step:
        """Return the record of a step that was done."""
        found = self.find(name)
        if found is None:
            raise KeyError(name)
        return found

    def file(self, name: str) -> Path:
        """Return what a step made."""
        return self.path / self.step(name).file

    def kept(self, name: str, inputs: Mapping[str, str]) -> Step | None:
        """Return the record of a step that was done with the same inputs, if what it made is as it was."""
        step = self.find(name)
        if step is None or step.inputs != dict(inputs):
            return None
        path = self.path / step.file
        return step if path.exists() and digest_of(path) == step.digest else None

    def do(self, name: str, inputs: Mapping[str, str], make: Callable[[], Made]) -> Done:
        """Do a step, unless it was done with the same inputs."""
        before = self.kept(name, inputs)
        if before is not None:
            return Done(before, kept=True)
        begun = time.monotonic()
        made = make()
        step = Step(
            name=name,
            inputs=dict(inputs),
            file=str(made.path.relative_to(self.path)),
            digest=digest_of(made.path),
            details=dict(made.details),
            seconds=round(time.monotonic() - begun, 1),
        )
        self.change(steps=(*(one for one in self.round.steps if one.name != name), step))
        return Done(step, kept=False)

    def forget(self, name: str) -> None:
        """Forget a step, up to the end of this process or the next step that is done: it is done again."""
        steps = tuple(step for step in self.round.steps if step.name != name)
        self.round = self.round.model_copy(update={"steps": steps})


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Make the folder and hold it for this process alone. Raises RoundError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise RoundError(f"{path} cannot be made ({error.strerror}); name another folder with --round") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise RoundError(f"another process is at the round in {path}; wait for it") from error
    finally:
        os.close(lock)


def digest_of(path: Path) -> str:
    """Return the digest of a file's bytes, or of a folder: of the names and digests of its files."""
    if path.is_file():
        return f"sha256:{sha256_file(path)}"
    lines = [f"{one.relative_to(path)} {sha256_file(one)}\n" for one in sorted(path.rglob("*")) if one.is_file()]
    return _sha256("".join(lines))


def digest_of_values(values: Any) -> str:
    """Return the digest of values that JSON can hold, whatever order their keys have."""
    return _sha256(json.dumps(values, sort_keys=True, default=str))


def short(digest: str) -> str:
    """Return the beginning of a digest, for names of files and for people."""
    return digest.removeprefix("sha256:")[:12]


def _sha256(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
