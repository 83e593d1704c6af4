"""Progress of training and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from postil.registry.training.report import Metrics
from postil.registry.training.taught import Taught

# Of a piece that is not trained, its end is shown.
_MOST = 160


class Watcher(Protocol):
    """Receives the progress of training; any method may do nothing."""

    def began(self) -> None:
        """All checks passed; the base model is loaded and measured next."""

    def started(self, base: Metrics, steps: int) -> None:
        """The base is measured; ``steps`` of training follow."""

    def stepped(self, step: int, loss: float) -> None:
        """One step is done; ``loss`` is its batch's, in nats per answer token."""

    def measured(self, epoch: float, metrics: Metrics, best: bool) -> None:
        """The validation set was answered; ``best`` says whether this state is the best so far."""


@runtime_checkable
class Reader(Protocol):
    """A watcher that wants to see what will be learned, before the first step."""

    def shown(self, rows: Sequence[Taught], of: int, serving: str) -> None:
        """Some rows ``of`` so many, and one sentence on how the result will be served."""


class Silent:
    """Shows nothing."""

    def began(self) -> None:
        """Do nothing."""

    def started(self, base: Metrics, steps: int) -> None:
        """Do nothing."""

    def stepped(self, step: int, loss: float) -> None:
        """Do nothing."""

    def measured(self, epoch: float, metrics: Metrics, best: bool) -> None:
        """Do nothing."""


class Count:
    """A progress bar over the answers of an evaluation."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console)
        self._task = self._progress.add_task("answering", total=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, record: TracebackType | None
    ) -> None:
        self._progress.stop()

    def started(self, answers: int) -> None:
        """Show the total number of answers."""
        self._progress.update(self._task, total=answers)
        self._progress.start()

    def answered(self, more: int) -> None:
        """Advance the bar."""
        self._progress.update(self._task, advance=more)


class Bar:
    """A progress bar with the loss, and a line for every validation."""

    def __init__(self, console: Console, *, rows: bool = True) -> None:
        self._rows = rows
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}  loss {task.fields[loss]:.3f}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("training", total=None, loss=0.0)
        self._base, self._step = 0.0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, record: TracebackType | None
    ) -> None:
        if self._progress.live.is_started:
            self._progress.stop()

    def began(self) -> None:
        """Say that the base is being loaded and measured."""
        self._progress.console.print("measuring the base model ...")

    def shown(self, rows: Sequence[Taught], of: int, serving: str) -> None:
        """Print the rows with what is trained marked, and the sentence."""
        if not self._rows:
            return
        console = self._progress.console
        marked = "in bold" if console.is_terminal else "in [ ]"
        console.print(f"{len(rows)} of {of:,} rows; what is trained is {marked}:")
        for row in rows:
            console.print(_marked(row, plain=not console.is_terminal), soft_wrap=True)
        console.print(serving, soft_wrap=True)

    def started(self, base: Metrics, steps: int) -> None:
        """Show the base's figures."""
        self._base = base.accuracy
        self._progress.console.print(f"base: accuracy {base.accuracy:.1%} of {base.examples}")
        self._progress.update(self._task, total=steps)
        self._progress.start()

    def stepped(self, step: int, loss: float) -> None:
        """Advance the bar; where the first step is none, say that the run goes on."""
        if not self._step and step > 1:
            self._progress.console.print(f"going on after step {step - 1}, where this run was ended")
        self._step = step
        self._progress.update(self._task, completed=step, loss=loss)

    def measured(self, epoch: float, metrics: Metrics, best: bool) -> None:
        """Print the validation result."""
        self._progress.console.print(
            f"epoch {epoch:.2f}: loss {metrics.loss:.3f}, accuracy {metrics.accuracy:.1%}"
            f" (base {self._base:.1%}){', best so far' if best else ''}"
        )


def _marked(row: Taught, *, plain: bool) -> Text:
    """Return a row on one line; line ends are shown as they are written in JSON."""
    shown = Text(f"line {row.line}: ")
    for text, trained in row.pieces:
        piece = text if trained or len(text) <= _MOST else f"...{text[-_MOST:]}"
        piece = piece.replace("\n", "\\n")
        shown.append(f"[{piece}]" if trained and plain else piece, style="bold underline" if trained else "dim")
    return shown
