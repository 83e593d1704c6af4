"""A round at work: what its steps share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from postil.gateway.cli.commands.train import prepared_base
from postil.gateway.cli.rounds.asked import Asked
from postil.gateway.cli.rounds.live import LiveRelease
from postil.gateway.settings import read_settings
from postil.registry.base_model.model import BaseModel
from postil.registry.training.data.writing import text_digest, write_text
from postil.registry.training.rounds.record import Made, RoundFolder, digest_of, short


@dataclass(frozen=True, slots=True)
class StepPlan:
    """A step to do: what it does, the digests of what goes in, and how it is done."""

    name: str
    what: str
    inputs: Callable[[], Mapping[str, str]]
    make: Callable[[], Made]


class Work:
    """A round that was asked for, its folder, and what was live when it was begun."""

    def __init__(self, asked: Asked, folder: RoundFolder, live: LiveRelease | None) -> None:
        self.asked = asked
        self.folder = folder
        self.live = live

    @property
    def path(self) -> Path:
        """The folder of the round."""
        return self.folder.path

    @property
    def window(self) -> int | None:
        """The engine's context in tokens."""
        return read_settings().window

    @cached_property
    def base(self) -> BaseModel:
        """The base, which is prepared when it is first needed."""
        return prepared_base(self.asked.base)

    def digest(self, step: str) -> str:
        """The digest of what a step made."""
        return self.folder.step(step).digest

    def write(self, name: str, text: str, suffix: str) -> Path:
        """Write a text to a file that is named for a step and for the text's digest."""
        path = self.path / f"{name}-{short(text_digest(text))}{suffix}"
        write_text(path, text)
        return path

    def part(self, name: str) -> Path | None:
        """A file of the split: ``train``, ``validation``, ``calibration`` or ``held-out``."""
        return next(iter(sorted(self.folder.file("split").glob(f"{name}.*"))), None)

    def parts(self, *names: str) -> list[Path]:
        """Those of the split's files that there are."""
        return [path for name in names if (path := self.part(name)) is not None]


def digests(paths: tuple[Path, ...]) -> str:
    """The digests of some files, as one text."""
    return " ".join(map(digest_of, paths))
