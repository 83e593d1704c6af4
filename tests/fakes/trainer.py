"""A trainer that is as strict as the real one and learns nothing: the same process, data and options, in no time.

A file ``script`` beside the jobs' folder says what it does: nothing of note, ``wait`` after the second step until it
is killed, ``crash``, ``raise`` an error, or tell ``nonsense``.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from postil.plugins.child_process import bound_memory, end_with
from postil.registry.base_model.model import read_base
from postil.registry.defaults import REPORT
from postil.registry.jobs.progress import Message, encode
from postil.registry.jobs.trainer import work
from postil.registry.training.dataset import Example, check_apart, load
from postil.registry.training.options import TrainOptions
from postil.registry.training.progress import Watcher
from postil.registry.training.report import Judged, TrainReport, about, findings, measure
from postil.registry.training.shape import check_shape
from tests.fakes.adapters import write_adapter

STEPS = 4
SCRIPT, WAIT, CRASH, NONSENSE, RAISE = "script", "wait", "crash", "nonsense", "raise"


def train(options: TrainOptions, watcher: Watcher) -> TrainReport:
    """Do all that the real one does but learn."""
    training, validation = load(options.data), load(options.validation)
    check_apart(training, validation)
    check_shape(options, read_base(options.base, options.base_name))
    told = _script(options.out.parent)
    watcher.began()
    judged = [_judged(example) for example in validation.examples]
    watcher.started(measure(judged, options.reject), STEPS)
    for step in range(1, STEPS + 1):
        watcher.stepped(step, 1.0 / step)
        if told == CRASH:
            os.kill(os.getpid(), signal.SIGKILL)
        if told == RAISE:
            raise ValueError("a fault of a library")
        if told == WAIT and step == STEPS // 2:
            signal.pause()
    watcher.measured(1.0, measure(judged, options.reject), True)
    report = TrainReport(
        base=options.base_name,
        field=training.field,
        labels=tuple(label for label in training.labels if label != options.reject),
        reject=options.reject,
        instruction=training.examples[0].instruction,
        data=about(training),
        validation=about(validation),
        options=options.model_dump(mode="json", include={"rank", "alpha", "targets", "epochs", "seed"}),
        libraries={},
        base_metrics=measure(judged, options.reject),
        **findings(judged, options.reject),
        parts=(),
        parameters=1,
        seconds=1.0,
    )
    made = write_adapter(options.out.parent / "unfinished", seed=options.seed % 1000)
    (made / REPORT).write_text(report.model_dump_json())
    made.rename(options.out)
    return report


def _script(folder: Path) -> str:
    path = folder.parent.parent / SCRIPT
    return path.read_text() if path.exists() else ""


def _judged(example: Example) -> Judged:
    return Judged(example, example.label, 0.9, 0.1)


def main(arguments: list[str]) -> int:
    """As the real one."""
    folder, channel, gateway, memory = arguments
    end_with(int(gateway))
    bound_memory(int(memory))
    with open(int(channel), "wb", buffering=0) as pipe:
        if _script(Path(folder)) == NONSENSE:
            pipe.write(b"no json\n")

        def tell(message: Message) -> None:
            pipe.write(encode(message))

        return 0 if work(Path(folder), tell, train) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
