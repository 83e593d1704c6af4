"""The process that trains one job: ``python -m postil.registry.jobs.trainer FOLDER CHANNEL PARENT MEMORY``.

``FOLDER`` holds the options and the data, and gets the result. ``CHANNEL`` is the descriptor to which it tells its
progress, ``PARENT`` the process id of the gateway, with which it ends, ``MEMORY`` how many bytes it may take.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel as Pydantic

from postil.plugins.child_process import bound_memory, end_with
from postil.registry.errors import JobError, RegistryError
from postil.registry.jobs.figures import MEASURED, figures
from postil.registry.jobs.folder import OPTIONS, plain
from postil.registry.jobs.progress import BUSY, Began, Done, Failed, Measured, Message, Started, Stepped, encode
from postil.registry.text import MAX_CHARACTERS, cut
from postil.registry.training.dispatch import find_method, trainer
from postil.registry.training.errors import FolderBusyError
from postil.registry.training.options import TrainOptions
from postil.registry.training.report import Metrics

Tell = Callable[[Message], None]
# Nothing is fetched and nothing is sent by the libraries.
_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1"}
_TOO_LITTLE = (
    "the memory that training may take is not enough; ask for fewer targets or a smaller batch_size, or have an admin"
    " raise POSTIL_TRAINING_MEMORY_MIB"
)


class LossError(JobError):
    """What is learned has no value any more."""


def _number(loss: float) -> float:
    """A loss that can be told. Raises LossError."""
    if not math.isfinite(loss):
        raise LossError("the loss is no number; lower learning_rate_multiplier", "learning_rate_multiplier")
    return loss


class Teller:
    """Tells the gateway what a training run reports: the ``Watcher`` of labels, the ``Onlooker`` of other methods."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def began(self) -> None:
        """Tell that the data is good."""
        self._tell(Began())

    def started(self, base: Metrics, steps: int) -> None:
        """Tell how long it will take."""
        self._tell(Started(steps, base.accuracy))

    def stepped(self, step: int, loss: float) -> None:
        """Tell of a step."""
        self._tell(Stepped(step, _number(loss)))

    def measured(self, epoch: float, metrics: Metrics, best: bool) -> None:
        """Tell the figures on the validation set."""
        self._tell(Measured(round(epoch, 3), _number(metrics.loss), metrics.accuracy, best))

    def said(self, text: str) -> None:
        """Do nothing: it is for whoever sits before it."""

    def showed(self, text: str) -> None:
        """Do nothing: rows are nobody else's business."""

    def begins(self, steps: int) -> None:
        """Tell that the base is measured, and how many steps follow."""
        self._tell(Started(steps, None))

    def looked(self, epoch: float, loss: float, best: bool) -> None:
        """Tell the loss on the validation rows."""
        self._tell(Measured(round(epoch, 3), _number(loss), None, best))


Train = Callable[[TrainOptions, Teller], Pydantic]


def work(folder: Path, tell: Tell, train: Train) -> bool:
    """Train what ``folder`` asks for and tell how it ended; whether that was well."""
    try:
        report = train(_options(folder), Teller(tell))
    except FolderBusyError as error:
        tell(Failed(cut(plain(str(error), folder), MAX_CHARACTERS), BUSY))
        return False
    except LossError as error:
        tell(Failed(str(error), "loss_is_no_number"))
        return False
    except RegistryError as error:
        tell(Failed(cut(plain(str(error), folder), MAX_CHARACTERS), "invalid_training_data"))
        return False
    except MemoryError:
        tell(Failed(_TOO_LITTLE, "out_of_memory"))
        return False
    except RuntimeError as error:  # torch's, also where memory is short.
        if "memory" not in str(error):
            raise
        tell(Failed(_TOO_LITTLE, "out_of_memory"))
        return False
    found = figures(report.model_dump(include=MEASURED))
    tell(Done(found.get("accuracy"), found.get("base_accuracy"), found.get("full_valid_loss")))
    return True


def _options(folder: Path) -> TrainOptions:
    content = (folder / OPTIONS).read_bytes()
    return find_method(json.loads(content)["method"]).options.model_validate_json(content)


def train_as_asked(options: TrainOptions, teller: Teller) -> Pydantic:
    """Train by the method and the tuning that the options name. Raises RegistryError where there is no such."""
    run: Train = trainer(options.method, options.tune)
    return run(options, teller)


def main(arguments: list[str]) -> int:
    """Work until the job is done, or the gateway ends."""
    folder, channel, gateway, memory = arguments
    end_with(int(gateway))
    bound_memory(int(memory))
    os.set_inheritable(int(channel), False)
    os.environ.update(_OFFLINE)

    with open(int(channel), "wb", buffering=0) as pipe:

        def tell(message: Message) -> None:
            pipe.write(encode(message))

        return 0 if work(Path(folder), tell, train_as_asked) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
