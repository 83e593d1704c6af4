"""Which options a method and a way of tuning use: what would do nothing is refused rather than passed over."""

from __future__ import annotations

from collections.abc import Mapping

from postil.registry.training.errors import MethodError
from postil.registry.training.methods.options import MethodOptions

_LORAS = ("lora", "rslora", "dora")
_BY_TUNE: Mapping[str, tuple[str, ...]] = {
    "rank": (*_LORAS, "bottleneck"),
    "alpha": _LORAS,
    "dropout": _LORAS,
    "targets": (*_LORAS, "bottleneck", "full", "bitfit"),
    "convert_rank": ("dora", "full"),
    "virtual_tokens": ("prompt", "prefix"),
}
_BY_METHOD: Mapping[str, tuple[str, ...]] = {"beta": ("dpo", "kto"), "sft_weight": ("dpo",)}


def unused(method: str, tune: str) -> dict[str, str]:
    """Return the options that do nothing with a method and a way of tuning, each with what takes it."""
    by_tune = {name: f"--tune {' or '.join(tunes)}" for name, tunes in _BY_TUNE.items() if tune not in tunes}
    by_method = {name: f"--method {' or '.join(ms)}" for name, ms in _BY_METHOD.items() if method not in ms}
    return by_tune | by_method


def check_used(options: MethodOptions) -> None:
    """Refuse options that were given and would do nothing. Raises MethodError."""
    for name, takers in unused(options.method, options.tune).items():
        if name in options.model_fields_set:
            flag = f"--{name.replace('_', '-')}"
            way = f"--tune {options.tune}" if name in _BY_TUNE else f"--method {options.method}"
            raise MethodError(f"{flag}: {way} does not use it, only {takers} does; leave it out")
