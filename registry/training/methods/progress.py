"""Progress of a method's training."""

from __future__ import annotations

from typing import Protocol

from rich.console import Console


class Onlooker(Protocol):
    """Receives the progress of a run."""

    def said(self, text: str) -> None:
        """Something that a person should read before or after the long work."""

    def showed(self, text: str) -> None:
        """A row as the model gets it."""

    def begins(self, steps: int) -> None:
        """Training begins, or goes on where it was ended; it has so many ``steps`` in all."""

    def stepped(self, step: int, loss: float) -> None:
        """One step is done; ``loss`` is its batch's."""

    def looked(self, epoch: float, loss: float, best: bool) -> None:
        """The validation rows were looked at; ``best`` says whether this state is the best so far."""


class Quiet:
    """Shows nothing."""

    def said(self, text: str) -> None:
        """Do nothing."""

    def showed(self, text: str) -> None:
        """Do nothing."""

    def begins(self, steps: int) -> None:
        """Do nothing."""

    def stepped(self, step: int, loss: float) -> None:
        """Do nothing."""

    def looked(self, epoch: float, loss: float, best: bool) -> None:
        """Do nothing."""


class Lines:
    """Prints what is said, and the loss now and then; ``rows`` only if a person reads it."""

    def __init__(self, console: Console, every: int = 10, *, rows: bool = True) -> None:
        self._console, self._every, self._rows = console, every, rows
        self._steps = 0

    def said(self, text: str) -> None:
        """Print it as it is: rows may hold anything."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def showed(self, text: str) -> None:
        """Print a row, unless rows are nobody's business."""
        if self._rows:
            self.said(text)

    def begins(self, steps: int) -> None:
        """Keep how many steps there are."""
        self._steps = steps

    def stepped(self, step: int, loss: float) -> None:
        """Print the loss every few steps."""
        if step % self._every == 0:
            self.said(f"step {step} of {self._steps}: loss {loss:.3f}")

    def looked(self, epoch: float, loss: float, best: bool) -> None:
        """Print the loss of the validation rows."""
        self.said(f"epoch {epoch:.2f}: validation loss {loss:.3f}{', the best so far' if best else ''}")
