"""From what a trainer tells to what is kept of it: events, progress, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from postil.registry.db.tables import utcnow
from postil.registry.jobs.claims import Progress, Told
from postil.registry.jobs.jobs import METRICS
from postil.registry.jobs.progress import Began, Done, Failed, Measured, Message, Started, Stepped

# So many steps of a run are kept as events, evenly spread, and the last one.
_STEPS_TOLD = 500


class Follower:
    """Follows one run of a trainer. ``outcome`` is its last word, None as long as there is none."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = 0.0
        self._every = 1
        self._steps = 0
        self._step = 0
        self._loss: float | None = None
        self._told: list[Told] = []
        self.outcome: Done | Failed | None = None

    def follow(self, message: Message) -> None:
        """Take the next message."""
        match message:
            case Began():
                self._told.append(Told("The data is good; measuring the base model"))
            case Started(steps, accuracy):
                self._began, self._steps, self._every = self._clock(), steps, max(1, steps // _STEPS_TOLD)
                base = "" if accuracy is None else f"; the base model's accuracy is {accuracy:.1%}"
                self._told.append(Told(f"Training {steps} steps{base}"))
            case Stepped(step, loss):
                self._stepped(step, loss)
            case Measured():
                self._measured(message)
            case Done() | Failed():
                self.outcome = message

    def take(self) -> list[Told]:
        """Return what is new since the last call."""
        new, self._told = self._told, []
        return new

    def progress(self) -> Progress | None:
        """How far the run is."""
        return Progress(self._step, self._steps, self._estimate()) if self._steps else None

    def _stepped(self, step: int, loss: float | None) -> None:
        self._step, self._loss = step, loss
        if loss is not None and (step % self._every == 0 or step == self._steps):
            data = {"step": step, "total_steps": self._steps, "train_loss": round(loss, 5)}
            self._told.append(Told(f"Step {step}/{self._steps}: training loss={loss:.2f}", kind=METRICS, data=data))

    def _measured(self, told: Measured) -> None:
        data = {
            "step": self._step,
            "epoch": told.epoch,
            "full_valid_loss": told.loss,
            "best": told.best,
        }
        data |= {} if told.accuracy is None else {"valid_accuracy": told.accuracy}
        data |= {} if self._loss is None else {"train_loss": round(self._loss, 5)}
        loss = "no number" if told.loss is None else f"{told.loss:.3f}"
        best = ", the best so far" if told.best else ""
        accuracy = "" if told.accuracy is None else f", accuracy={told.accuracy:.1%}"
        message = f"Epoch {told.epoch:.2f}: validation loss={loss}{accuracy}{best}"
        self._told.append(Told(message, kind=METRICS, data=data))

    def _estimate(self) -> datetime | None:
        if not self._step:
            return None
        left = (self._clock() - self._began) / self._step * max(self._steps - self._step, 0)
        return utcnow() + timedelta(seconds=left)
