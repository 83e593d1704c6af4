"""Train one adapter: ``train(options)`` reads the data, tunes, measures against the base, and writes a folder."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postil.registry.base_model.model import read_base
from postil.registry.errors import DatasetError
from postil.registry.training.baselines import linear
from postil.registry.training.checkpoints import claim
from postil.registry.training.dataset import Dataset, load
from postil.registry.training.errors import TuneExtraMissingError
from postil.registry.training.files import check_out, workplace, write
from postil.registry.training.options import TrainOptions
from postil.registry.training.predictions import predicted
from postil.registry.training.progress import Reader, Silent, Watcher
from postil.registry.training.report import Judged, Metrics, Part, TrainReport, about, against_linear, findings, measure
from postil.registry.training.shape import check_shape
from postil.registry.training.splits import check_splits
from postil.registry.training.taught import SHOWN, check_taught, taught
from postil.registry.training.window import check_lengths

if TYPE_CHECKING:
    from peft import PeftModel

    from postil.registry.training.prompts import Coder

LIBRARIES = ("torch", "transformers", "peft", "accelerate")
# For the linear model that stands beside an adapter.
_LINEAR = ("sklearn",)
_QUIET = {"HF_HUB_DISABLE_TELEMETRY": "1", "DISABLE_TELEMETRY": "1"}
# A report records settings, not local paths.
PATHS = {"data", "validation", "calibration", "held_out", "base", "out", "overwrite", "window"}
# Of the weights on the disk: the result, and two checkpoints with the best state and two moments of Adam each.
_COPIES = 9


def train(options: TrainOptions, watcher: Watcher | None = None) -> TrainReport:
    """Train with ``options``, write the adapter to ``options.out`` and return the figures.

    Raises DatasetError, ShapeError, BaseModelError, OutFolderError or TuneExtraMissingError, all before the long work.
    After an error nothing is left at ``options.out``; a result that cannot be written there is saved elsewhere. A run
    that was killed goes on from its last checkpoint when it is started again with the same options and data.
    """
    out = Path(os.path.abspath(options.out))
    files = _load(options)
    check_out(out, options.overwrite)
    check_libraries((*LIBRARIES, *_LINEAR))
    base = read_base(options.base, options.base_name)
    with workplace(out, _COPIES * check_shape(options, base)) as scratch:
        run = _Run(options, files, base.revision, watcher or Silent(), scratch)
        adapted, report = _trained(run)
        return write(adapted, report, out, scratch, options.half)


@dataclass(frozen=True, slots=True)
class _Files:
    """The rows of a training run; where there are no others, those of ``validation`` give figures and confidence."""

    training: Dataset
    validation: Dataset
    calibration: Dataset | None
    held_out: Dataset | None

    @property
    def figures(self) -> Dataset:
        """Return the rows that give the figures."""
        return self.held_out or self.validation

    @property
    def others(self) -> list[Dataset]:
        """Return the rows that are not trained on."""
        return [one for one in (self.validation, self.calibration, self.held_out) if one is not None]


@dataclass(frozen=True, slots=True)
class _Run:
    """What one training takes."""

    options: TrainOptions
    files: _Files
    revision: str
    watcher: Watcher
    scratch: Path

    def decides(self) -> dict[str, Any]:
        """Return what decides the result: with the same of it, a run may go on where another ended."""
        return {
            "options": self.options.model_dump(mode="json", exclude=PATHS),
            "data": [self.files.training.digest, self.files.validation.digest],
            "base": self.revision,
            "libraries": _versions() | {"postil": importlib.metadata.version("postil")},
        }


def _trained(run: _Run) -> tuple[PeftModel, TrainReport]:
    begun = time.monotonic()
    adapted, base, parts, answers = _tune(run)
    options, training, figures = run.options, run.files.training, run.files.figures
    judged = answers[figures.path]
    return adapted, TrainReport(
        base=options.base_name,
        field=training.field,
        labels=tuple(label for label in training.labels if label != options.reject),
        reject=options.reject,
        instruction=training.examples[0].instruction,
        data=about(training),
        validation=about(figures),
        selection=about(run.files.validation),
        calibrated_on=about(run.files.calibration or run.files.validation),
        options=options.model_dump(mode="json", exclude=PATHS),
        libraries=_versions(),
        base_metrics=base,
        linear=against_linear(training, linear(training, figures.examples), judged, options.reject),
        predictions=tuple(predicted(about(one), answers[one.path]) for one in run.files.others),
        **findings(judged, options.reject, _fitted(run.files, answers)),
        parts=parts,
        parameters=adapted.get_nb_trainable_parameters()[0],
        seconds=round(time.monotonic() - begun, 1),
    )


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def check_libraries(names: Sequence[str] = LIBRARIES) -> None:
    """Check that libraries are installed, and have them report to nobody. Raises TuneExtraMissingError."""
    os.environ.update(_QUIET)
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise TuneExtraMissingError(
            f"training and evaluation need {', '.join(missing)}; install it with: bash deploy/setup.sh cpu tune"
            " (elsewhere than in a clone of postil: pip install 'postil[tune]')"
        )


def _load(options: TrainOptions) -> _Files:
    training, validation = load(options.data), load(options.validation)
    calibration = None if options.calibration is None else load(options.calibration)
    files = _Files(training, validation, calibration, None if options.held_out is None else load(options.held_out))
    check_splits(training, files.others)
    if options.reject is not None and options.reject not in training.labels:
        raise DatasetError(
            f"{training.path} has no example of the reject label {options.reject!r}; add some or drop --reject"
        )
    return files


def _show(run: _Run, coder: Coder) -> None:
    """Show some rows with what they teach. Raises DatasetError where one teaches nothing."""
    from postil.registry.training.rows import Rows

    examples, chosen = run.files.training.examples, []
    every = -(-len(examples) // SHOWN)

    def seen() -> Iterator[tuple[int, list[bool]]]:
        """Keep the rows to show, and of the others nothing: together they may be large."""
        for place, (line, ids, trained) in enumerate(Rows(coder, examples, run.options).taught()):
            if place % every == 0:
                chosen.append(taught(line, ids, trained, coder.text))
            yield line, trained

    check_taught(run.files.training.path, seen())
    if isinstance(run.watcher, Reader):
        run.watcher.shown(chosen, len(examples), _serving(run.options))


def _serving(options: TrainOptions) -> str:
    return (
        f"It will be served exactly as it is trained: a LoRA of rank {options.rank}, for which the gateway needs a"
        f" POSTIL_MAX_LORA_RANK of {options.rank} or more."
    )


def _fitted(files: _Files, answers: Mapping[Path, list[Judged]]) -> list[Judged] | None:
    """Return the answers that fit temperature and minimum; None where those of the figures do."""
    rows = files.calibration or files.validation
    return None if rows is files.figures else answers[rows.path]


def _tune(run: _Run) -> tuple[PeftModel, Metrics, tuple[Part, ...], dict[Path, list[Judged]]]:
    """Return the trained model in its best state, the base's figures, the history, and the final answers by file."""
    from postil.registry.training.answers import judge
    from postil.registry.training.forward import Lower
    from postil.registry.training.looks import Looks
    from postil.registry.training.loop import adapt, fit, steps_per_epoch
    from postil.registry.training.model import load_base
    from postil.registry.training.probe import lowest_layer
    from postil.registry.training.prompts import Coder

    options, files, watcher = run.options, run.files, run.watcher
    training, validation = files.training, files.validation
    watcher.began()
    model, tokenizer = load_base(options.base, options.seed, options.device, options.dtype)
    coder = Coder(tokenizer, training.field, [example for one in (training, *files.others) for example in one.examples])
    check_lengths(coder, (training, *files.others), options.window)
    lowest = lowest_layer(model, coder, options.first_layer)
    _show(run, coder)

    # The base does not know the reject label, so it chooses among the real ones.
    real = set(training.labels) - {options.reject}
    base = measure(judge(model, coder, files.figures.examples, real), options.reject)
    adapted = adapt(model, options)
    steps = steps_per_epoch(len(training.examples), options)
    watcher.started(base, round(steps * options.epochs))
    every = max(1, steps // options.parts)
    looks = Looks(adapted, lambda: judge(adapted, coder, validation.examples, training.labels), every, options, watcher)
    checkpoint = claim(run.scratch, run.decides())
    if checkpoint is not None:
        looks.go_on(checkpoint, validation.examples)
    lower = Lower(adapted, lowest, coder.shared)
    fit(adapted, lower, coder, training.examples, options, looks, run.scratch, checkpoint)
    answers = {validation.path: looks.best} | {
        one.path: judge(adapted, coder, one.examples, training.labels) for one in files.others if one is not validation
    }
    return adapted, base, tuple(looks.parts), answers
