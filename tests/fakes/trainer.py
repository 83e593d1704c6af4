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
from postil.registry.jobs.trainer import Teller, work
from postil.registry.training.dataset import Example, check_apart, load
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.methods.report import Answers, Measured, MethodReport, Preferences
from postil.registry.training.methods.sample_files import check_apart as check_rows_apart
from postil.registry.training.methods.sample_files import read_samples
from postil.registry.training.methods.servability import check_servable
from postil.registry.training.methods.tasks import read_task
from postil.registry.training.methods.used import check_used
from postil.registry.training.options import TrainOptions
from postil.registry.training.report import Judged, TrainReport, about, findings, measure
from postil.registry.training.shape import check_shape
from tests.fakes.adapters import write_adapter

Report = TrainReport | MethodReport
STEPS = 4
SCRIPT, WAIT, CRASH, NONSENSE, RAISE = "script", "wait", "crash", "nonsense", "raise"


def train(options: TrainOptions, teller: Teller) -> Report:
    """Do all that the real one does but learn."""
    report = _of_rows(options, teller) if isinstance(options, MethodOptions) else _of_labels(options, teller)
    made = write_adapter(options.out.parent / "unfinished", seed=options.seed % 1000)
    (made / REPORT).write_text(report.model_dump_json())
    made.rename(options.out)
    return report


def _of_rows(options: MethodOptions, teller: Teller) -> MethodReport:
    """As by TRL: answers in free text, or preferences."""
    training, validation = (read_samples(path, options.method) for path in (options.data, options.validation))
    check_rows_apart(training, validation)
    check_servable(options.method, options.tune)
    check_used(options)
    check_shape(options, read_base(options.base, options.base_name))
    teller.said("a LoRA is served exactly as it was trained")
    teller.begins(STEPS)
    _steps(options, teller)
    teller.looked(1.0, 0.5, True)
    before, after = _measured(options.method, len(validation.samples))
    return MethodReport(
        method=options.method,
        tune=options.tune,
        serving="exact",
        base=options.base_name,
        base_digest="sha256:" + "0" * 64,
        reference=None,
        reference_digest=None,
        labels=(),
        field=None,
        instruction=read_task(training.samples, validation.samples).instruction,
        data=training.about(),
        validation=validation.about(),
        selection=validation.about(),
        notes=(),
        options=options.model_dump(mode="json", include={"rank", "alpha", "targets", "epochs", "seed", "beta"}),
        libraries={},
        losses=(),
        looks=(),
        before=before,
        trained=after,
        served=None,
        forgetting=0.0,
        ended=None,
        steps=STEPS,
        tokens=1,
        parameters=1,
        peak_memory=1,
        seconds=1.0,
    )


def _measured(method: str, rows: int) -> list[Measured]:
    """The base and the adapter."""
    if method == "dpo":
        return [
            Measured(preferences=Preferences(pairs=rows, chosen=-1.0, rejected=-2.0, accuracy=accuracy))
            for accuracy in (0.5, 0.75)
        ]
    return [
        Measured(answers=Answers(rows=rows, tokens=rows, loss=loss, token_accuracy=0.5, exact=0.0))
        for loss in (2.0, 0.5)
    ]


def _steps(options: TrainOptions, teller: Teller) -> None:
    told = _script(options.out.parent)
    for step in range(1, STEPS + 1):
        teller.stepped(step, 1.0 / step)
        if told == CRASH:
            os.kill(os.getpid(), signal.SIGKILL)
        if told == RAISE:
            raise ValueError("a fault of a library")
        if told == WAIT and step == STEPS // 2:
            signal.pause()


def _of_labels(options: TrainOptions, watcher: Teller) -> TrainReport:
    training, validation = load(options.data), load(options.validation)
    check_apart(training, validation)
    check_shape(options, read_base(options.base, options.base_name))
    watcher.began()
    judged = [_judged(example) for example in validation.examples]
    watcher.started(measure(judged, options.reject), STEPS)
    _steps(options, watcher)
    watcher.measured(1.0, measure(judged, options.reject), True)
    return TrainReport(
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
