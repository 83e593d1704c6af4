"""How much room on the disk a run takes, which depends on the way of tuning."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from postil.registry.base_model.model import BaseModel
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.shape import changed_shapes, check_shape

_BYTES = 4
# Of what is trained: the best state, and while another is written; two checkpoints with two moments of Adam each.
_STATES, _CHECKPOINTS = 3, 6


def disk_bytes(options: MethodOptions, base: BaseModel) -> int:
    """Return the bytes of the result and of all states on the way. Raises ShapeError."""
    lora = check_shape(options, base)
    shapes = changed_shapes(options, base)
    numbers = sum(_NUMBERS.get(options.tune, _few)(*shape, options.rank) for shape in shapes)
    converted = options.convert_rank * sum(map(sum, shapes)) if options.tune in ("dora", "full") else 0
    copies = _STATES + (_CHECKPOINTS if _has_checkpoints(options) else 0)
    return max(lora, _BYTES * (copies * numbers + converted))


def _has_checkpoints(options: MethodOptions) -> bool:
    every = options.save_steps or options.eval_steps
    return options.max_steps is None or every is None or every < options.max_steps


def _few(out: int, into: int, rank: int) -> int:
    return out + into


_NUMBERS: Mapping[str, Callable[[int, int, int], int]] = {
    "lora": lambda out, into, rank: rank * (out + into),
    "rslora": lambda out, into, rank: rank * (out + into),
    "dora": lambda out, into, rank: rank * (out + into) + out,
    "bottleneck": lambda out, into, rank: 2 * rank * out,
    "full": lambda out, into, rank: out * into,
}
