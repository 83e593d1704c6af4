"""Which code trains with a method and a way of tuning. The only place that refuses those that there are not."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from postil.registry.policy.complaints import did_you_mean
from postil.registry.training.errors import MethodError
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.methods.servability import METHODS as BY_TRL
from postil.registry.training.methods.servability import TUNES
from postil.registry.training.options import TrainOptions

# With the options of its method, and whoever watches (None: nobody); returns the method's report.
Trainer = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Method:
    """Where a method's function is, as ``module:name`` (imported when it is used), and the ways of tuning it takes.

    ``options`` is the class of its options.
    """

    trainer: str
    tunes: tuple[str, ...]
    options: type[TrainOptions] = TrainOptions


METHODS: Mapping[str, Method] = {
    "classify": Method("postil.registry.training.train:train", ("lora",)),
    **{name: Method("postil.registry.training.methods.run:run", TUNES, MethodOptions) for name in BY_TRL},
}


def find_method(name: str) -> Method:
    """Return a method. Raises MethodError, which names those that there are."""
    if name not in METHODS:
        raise MethodError(f"--method: postil does not train by {name!r}{did_you_mean(name, METHODS)}")
    return METHODS[name]


def trainer(method: str, tune: str) -> Trainer:
    """Return the function that trains so. Raises MethodError, which names what there is."""
    chosen = find_method(method)
    if method == "classify" and tune in TUNES and tune not in chosen.tunes:
        raise MethodError(f"--tune: --method classify takes lora only; --method sft learns the same rows by {tune}")
    if tune not in chosen.tunes:
        raise MethodError(
            f"--tune: postil does not tune by {tune!r} with --method {method}{did_you_mean(tune, chosen.tunes)}"
        )
    module, _, name = chosen.trainer.partition(":")
    found: Trainer = getattr(importlib.import_module(module), name)
    return found
