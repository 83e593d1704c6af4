"""Which modules of the base an adapter changes, and how large it becomes: checked before the long work."""

from __future__ import annotations

from collections.abc import Iterable

from postil.registry.base_model.model import BaseModel
from postil.registry.preflight.adapter_config import ends, layer_of
from postil.registry.training.errors import ShapeError
from postil.registry.training.options import TrainOptions

_BYTES = 4


def check_shape(options: TrainOptions, base: BaseModel) -> int:
    """Return the size of the adapter's weights in bytes. Raises ShapeError where ``base`` has no such modules."""
    inside = {name: layer for name in base.modules if (layer := layer_of(name)) is not None}
    for target in options.targets:
        if not _named(inside, [target]):
            kinds = sorted({name.rpartition(".")[2] for name in inside})
            raise ShapeError(
                f"--targets: {target!r} is no linear module in a layer of {base.id}; it has {', '.join(kinds)}"
            )
    last = max(inside[name] for name in _named(inside, options.targets))
    if options.first_layer > last:
        raise ShapeError(
            f"--first-layer: the last layer of {base.id} with such modules is {last}; name that or an earlier one"
        )
    return _BYTES * options.rank * sum(map(sum, changed_shapes(options, base)))


def changed_shapes(options: TrainOptions, base: BaseModel) -> list[tuple[int, int]]:
    """Return output and input features of each module that is changed."""
    layers = ((name, layer_of(name)) for name in base.modules)
    inside = [name for name, layer in layers if layer is not None and layer >= options.first_layer]
    return [base.modules[name] for name in _named(inside, options.targets)]


def _named(modules: Iterable[str], targets: Iterable[str]) -> list[str]:
    wanted = set(targets)
    return [name for name in modules if not wanted.isdisjoint(ends(name))]
