"""Train one adapter: ``train(options)`` reads the data, tunes, measures against the base, and writes a folder."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from postil.registry.base_model.model import read_base
from postil.registry.errors import DatasetError
from postil.registry.training.dataset import Dataset, check_apart, load
from postil.registry.training.errors import TuneExtraMissingError
from postil.registry.training.files import check_out, workplace, write
from postil.registry.training.options import TrainOptions
from postil.registry.training.progress import Silent, Watcher
from postil.registry.training.report import Judged, Metrics, Part, TrainReport, about, findings, measure
from postil.registry.training.shape import check_shape
from postil.registry.training.window import check_lengths

if TYPE_CHECKING:
    from peft import PeftModel

LIBRARIES = ("torch", "transformers", "peft", "accelerate")
# A report records settings, not local paths.
PATHS = {"data", "validation", "base", "out", "overwrite", "window"}


def train(options: TrainOptions, watcher: Watcher | None = None) -> TrainReport:
    """Train with ``options``, write the adapter to ``options.out`` and return the figures.

    Raises DatasetError, ShapeError, BaseModelError, OutFolderError or TuneExtraMissingError, all before the long work.
    After an error nothing is left at ``options.out``; a result that cannot be written there is saved elsewhere.
    """
    out = Path(os.path.abspath(options.out))
    training, validation = _load(options)
    check_out(out, options.overwrite)
    check_libraries()
    with workplace(out, check_shape(options, read_base(options.base, options.base_name))) as scratch:
        adapted, report = _trained(options, training, validation, watcher or Silent(), scratch)
        return write(adapted, report, out, scratch, options.half)


def _trained(
    options: TrainOptions, training: Dataset, validation: Dataset, watcher: Watcher, scratch: Path
) -> tuple[PeftModel, TrainReport]:
    begun = time.monotonic()
    adapted, base, parts, judged = _tune(options, training, validation, watcher, scratch)
    return adapted, TrainReport(
        base=options.base_name,
        field=training.field,
        labels=tuple(label for label in training.labels if label != options.reject),
        reject=options.reject,
        instruction=training.examples[0].instruction,
        data=about(training),
        validation=about(validation),
        selection=about(validation),
        calibrated_on=about(validation),
        options=options.model_dump(mode="json", exclude=PATHS),
        libraries={name: importlib.metadata.version(name) for name in LIBRARIES},
        base_metrics=base,
        **findings(judged, options.reject),
        parts=parts,
        parameters=adapted.get_nb_trainable_parameters()[0],
        seconds=round(time.monotonic() - begun, 1),
    )


def check_libraries(names: Sequence[str] = LIBRARIES) -> None:
    """Check that the libraries ``names`` are installed. Raises TuneExtraMissingError."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise TuneExtraMissingError(
            f"training and evaluation need {', '.join(missing)}; install it with: bash deploy/setup.sh cpu tune"
            " (elsewhere than in a clone of postil: pip install 'postil[tune]')"
        )


def _load(options: TrainOptions) -> tuple[Dataset, Dataset]:
    training, validation = load(options.data), load(options.validation)
    check_apart(training, validation)
    if options.reject is not None and options.reject not in training.labels:
        raise DatasetError(
            f"{training.path} has no example of the reject label {options.reject!r}; add some or drop --reject"
        )
    return training, validation


def _tune(
    options: TrainOptions, training: Dataset, validation: Dataset, watcher: Watcher, scratch: Path
) -> tuple[PeftModel, Metrics, tuple[Part, ...], list[Judged]]:
    """Return the trained model in its best state, the base's figures, the history, and the final answers."""
    from postil.registry.training.answers import judge
    from postil.registry.training.forward import Lower
    from postil.registry.training.loop import Looks, adapt, fit, steps_per_epoch
    from postil.registry.training.model import load_base
    from postil.registry.training.probe import lowest_layer
    from postil.registry.training.prompts import Coder

    watcher.began()
    model, tokenizer = load_base(options.base, options.seed, options.device)
    coder = Coder(tokenizer, training.field, [*training.examples, *validation.examples])
    check_lengths(coder, (training, validation), options.window)
    lowest = lowest_layer(model, coder, options.first_layer)

    # The base does not know the reject label, so it chooses among the real ones.
    real = set(training.labels) - {options.reject}
    base = measure(judge(model, coder, validation.examples, real), options.reject)
    adapted = adapt(model, options)
    steps = steps_per_epoch(len(training.examples), options)
    watcher.started(base, round(steps * options.epochs))
    every = max(1, steps // options.parts)
    looks = Looks(adapted, lambda: judge(adapted, coder, validation.examples, training.labels), every, options, watcher)
    fit(adapted, Lower(adapted, lowest, coder.shared), coder, training.examples, options, looks, scratch)
    return adapted, base, tuple(looks.parts), looks.best
