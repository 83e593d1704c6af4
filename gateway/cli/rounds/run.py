"""Does the steps of a round in their order, each only where it is not done, or says which would be done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from postil.gateway.cli.api_client import connected
from postil.gateway.cli.rounds.asked import Asked
from postil.gateway.cli.rounds.learning import check_better, check_options, learning_steps
from postil.gateway.cli.rounds.live import job_files, live_release
from postil.gateway.cli.rounds.publishing import publishing_steps
from postil.gateway.cli.rounds.rows import row_steps
from postil.gateway.cli.rounds.work import StepPlan, Work
from postil.registry.errors import RegistryError
from postil.registry.training.rounds.record import Done, RoundFolder

# Does not outlive a round: the next one asks what was decided meanwhile.
_OF_ONE_ROUND = "reviews"
_OF_ROWS = ("merge", "split", "check")


@dataclass(frozen=True, slots=True)
class Planned:
    """A step of a round, and whether it is done already."""

    plan: StepPlan
    kept: bool


def begin(asked: Asked, *, fresh: bool) -> Work:
    """Read the round's folder and ask what is live; a round that was published is followed by a new one.

    Raises CommandError, RoundError.
    """
    folder = RoundFolder.read(asked.folder, str(asked.adapter))
    if fresh or folder.round.published is not None:
        folder.forget("export")
    with connected() as client:
        live = live_release(client, asked.adapter)
    files = asked.files.with_given(folder.round.given)
    if not (files.data and files.held_out):
        files = files.with_given(job_files(live, asked.folder))
    files.check(asked.adapter)
    work = Work(replace(asked, files=files), folder, live)
    check_options(work)
    return work


def steps_of(work: Work) -> list[StepPlan]:
    """Return all steps in their order."""
    return [*row_steps(work), *learning_steps(work), *publishing_steps(work)]


def plan(work: Work) -> Iterator[Planned]:
    """Say of each step whether it is done; after one that is not, nobody knows yet what goes into the others."""
    kept = True
    for step in steps_of(work):
        kept = kept and work.folder.kept(step.name, step.inputs()) is not None
        yield Planned(step, kept)


def run(work: Work, tell: Callable[[int, int, StepPlan, Done | None], object]) -> Sequence[Done]:
    """Do what is not done, tell of each step before and after, and return all. Raises CommandError, RegistryError."""
    work.folder.change(given=work.asked.files.given, published=None)
    steps, done = steps_of(work), list[Done]()
    for number, step in enumerate(steps, 1):
        if step.name == "publish":
            check_better(work)
        tell(number, len(steps), step, None)
        with _exported_again(work, step):
            done.append(work.folder.do(step.name, step.inputs(), step.make))
        tell(number, len(steps), step, done[-1])
    _end(work)
    return done


@contextmanager
def _exported_again(work: Work, step: StepPlan) -> Iterator[None]:
    """Where the rows are refused, the next run exports again: what is decided may be what is to be corrected."""
    try:
        yield
    except RegistryError:
        if step.name in _OF_ROWS:
            work.folder.forget("export")
            work.folder.change()
        raise


def _end(work: Work) -> None:
    """The round is over: the next one adds to what this one was trained on."""
    given = {name: paths for name, paths in work.asked.files.given.items() if name != _OF_ONE_ROUND}
    merged = (str(work.folder.file("merge").absolute()),)
    work.folder.change(given={**given, "data": merged}, published=work.folder.step("publish").details["release"])
