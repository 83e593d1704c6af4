"""Which code trains with a method and a way of tuning. The only place that refuses those that there are not."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from postil.registry.policy.complaints import did_you_mean
from postil.registry.training.errors import MethodError
from postil.registry.training.options import TrainOptions
from postil.registry.training.progress import Watcher
from postil.registry.training.report import TrainReport

Trainer = Callable[[TrainOptions, Watcher | None], TrainReport]


@dataclass(frozen=True, slots=True)
class Method:
    """Where a method's function is, as ``module:name`` (imported when it is used), and the ways of tuning it takes."""

    trainer: str
    tunes: tuple[str, ...]


METHODS: Mapping[str, Method] = {"classify": Method("postil.registry.training.train:train", ("lora",))}


def trainer(method: str, tune: str) -> Trainer:
    """Return the function that trains so. Raises MethodError, which names what there is."""
    chosen = METHODS.get(method)
    if chosen is None:
        raise MethodError(f"--method: postil does not train by {method!r}{did_you_mean(method, METHODS)}")
    if tune not in chosen.tunes:
        raise MethodError(
            f"--tune: postil does not tune by {tune!r} with --method {method}{did_you_mean(tune, chosen.tunes)}"
        )
    module, _, name = chosen.trainer.partition(":")
    found: Trainer = getattr(importlib.import_module(module), name)
    return found
