"""What somebody asks of a round, and what the round's record remembers of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

from postil.gateway.cli.api_client import CommandError
from postil.registry.names import AdapterName

# What the new adapter has to show beside the live release: more right answers, so many more that chance does not
# explain them, or that it is not worse by more than a point.
Need = Literal["higher", "significant", "not-worse"]
Paths = tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a round by what they are for; each group is empty where nobody named one."""

    data: Paths = ()
    held_out: Paths = ()
    validation: Paths = ()
    calibration: Paths = ()
    config: Paths = ()
    policy: Paths = ()
    reviews: Paths = ()

    @property
    def apart(self) -> Paths:
        """Return the files that nothing is learned from."""
        return (*self.held_out, *self.validation, *self.calibration)

    @property
    def given(self) -> dict[str, tuple[str, ...]]:
        """Return the groups that somebody named, by absolute paths."""
        groups = {name: getattr(self, name) for name in _GROUPS}
        return {name: tuple(str(path.absolute()) for path in paths) for name, paths in groups.items() if paths}

    def with_given(self, known: Mapping[str, Sequence[str]]) -> Files:
        """Return the same with remembered files where nobody names any now."""
        missing = {name: tuple(map(Path, known.get(name, ()))) for name in _GROUPS if not getattr(self, name)}
        return replace(self, **missing)

    def check(self, adapter: AdapterName) -> None:
        """Check, before the first step, that there is something to add to and to measure with. Raises CommandError."""
        if not self.data:
            raise CommandError(f"what {adapter} was trained on is not known here; name the training file with --data")
        if not self.held_out:
            raise CommandError(
                "there are no held-out rows to compare with; name a file with --held-out, such as `postil data split`"
                " makes"
            )
        for path in (*self.data, *self.apart, *self.config, *self.policy, *self.reviews):
            if not path.is_file():
                raise CommandError(f"{path} is no file; check the path")


_GROUPS = tuple(field.name for field in fields(Files))


@dataclass(frozen=True, slots=True)
class Asked:
    """A round that somebody asks for."""

    adapter: AdapterName
    folder: Path
    files: Files
    since: str | None = None
    base: str | None = None
    need: Need = "higher"
    publish_anyway: bool = False
    canary: float | None = None
    note: str = ""
    seed: int = 0


def one(paths: Paths) -> Path | None:
    """Return the only path of a group, or None."""
    return paths[0] if paths else None
