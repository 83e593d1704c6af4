"""Which modules two adapters change differently, and by how much: tensor by tensor from mapped files, without torch."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from postil.registry.preflight.adapter_config import ends, layer_of
from postil.registry.preflight.tensors import Tensor, read_tensors

State = Literal["identical", "changed", "added", "removed"]
Array = npt.NDArray[Any]
_TYPES = {"F32": "<f4", "F16": "<f2"}
_A, _B = "lora_A", "lora_B"


class Weights:
    """An adapter's tensors, a pair for each module: preflight has seen to that.

    Only what is asked for is read from the disk, so that large adapters need no memory.
    """

    def __init__(self, tensors: Mapping[str, Tensor], data: Array, config: Mapping[str, Any]) -> None:
        self.tensors = tensors
        self.modules = _by_module(tensors)
        self._data = data
        self._config = config

    @classmethod
    def open(cls, path: Path, config: Mapping[str, Any]) -> Weights:
        """The weights in a file, which stays mapped as long as they are in use."""
        tensors = {tensor.name: tensor for tensor in read_tensors(path)}
        return cls(tensors, np.memmap(path, dtype=np.uint8, mode="r"), config)

    def same_bytes(self, name: str, other: Weights) -> bool:
        """Whether both hold this tensor with the same type, shape and bytes."""
        ours, theirs = self.tensors[name], other.tensors[name]
        return (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape) and bool(
            np.array_equal(self._bytes(name), other._bytes(name))
        )

    def values(self, name: str) -> Array:
        """One tensor in double precision."""
        tensor = self.tensors[name]
        if tensor.dtype == "BF16":  # The upper half of a 32-bit number; numpy has no such type.
            found = (np.frombuffer(self._bytes(name), "<u2").astype("<u4") << 16).view("<f4")
        else:
            found = np.frombuffer(self._bytes(name), _TYPES[tensor.dtype])
        return found.astype(np.float64).reshape(tensor.shape)

    def scale(self, module: str, rank: int) -> float:
        """What the product of a module's B and A is multiplied by before it is added to the base."""
        meant = ends(module) | {f"^{module}"}
        pattern = self._config.get("alpha_pattern") or {}
        alpha = next((alpha for key, alpha in pattern.items() if key in meant), self._config["lora_alpha"])
        return float(alpha) / (math.sqrt(rank) if self._config.get("use_rslora") else rank)

    def _bytes(self, name: str) -> Array:
        tensor = self.tensors[name]
        return self._data[tensor.begin : tensor.end]


@dataclass(frozen=True, slots=True)
class Norms:
    """Squared Frobenius norms: of the difference, and of what was there before."""

    change: float
    before: float

    @property
    def relative(self) -> float | None:
        """The norm of the difference as a share of the norm before; None where there was nothing but zeros."""
        if self.before == 0:
            return None if self.change else 0.0
        return math.sqrt(self.change / self.before)


@dataclass(frozen=True, slots=True)
class ModuleChange:
    """One module: whether its tensors are the same bytes, and how far A, B and their product moved.

    ``update`` is the product with its scale: what is added to the base, whatever the ranks. Two trainings from other
    seeds differ in A and B throughout, and may still say the same in ``update``.
    """

    module: str
    state: State
    a: Norms | None = None
    b: Norms | None = None
    update: Norms | None = None

    @property
    def kind(self) -> str:
        """The kind of module, such as ``q_proj``."""
        return self.module.rpartition(".")[2]

    @property
    def layer(self) -> int | None:
        """The number of the layer."""
        return layer_of(self.module)


@dataclass(frozen=True, slots=True)
class KindChange:
    """Modules of one kind in the same state: ``q_proj`` in layers 15-29, with their change taken together."""

    kind: str
    state: State
    layers: str
    modules: int
    a: float | None
    b: float | None
    update: float | None


def compare_weights(before: Weights, after: Weights) -> list[ModuleChange]:
    """Every module of either, in the order of layers."""
    modules = {**before.modules, **after.modules}
    changes = (_compare(module, before, after) for module in modules)
    return sorted(changes, key=lambda change: (-1 if change.layer is None else change.layer, change.module))


def by_kind(changes: Iterable[ModuleChange]) -> list[KindChange]:
    """Group changes by kind of module and state, in the order of their first layer."""
    groups: dict[tuple[str, State], list[ModuleChange]] = defaultdict(list)
    for change in changes:
        groups[change.kind, change.state].append(change)
    return [
        KindChange(
            kind, state, _ranges({one.layer for one in found if one.layer is not None}), len(found),
            _together(found, lambda one: one.a), _together(found, lambda one: one.b),
            _together(found, lambda one: one.update),
        )
        for (kind, state), found in groups.items()
    ]  # fmt: skip


def _by_module(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """``<module>`` -> ``lora_A`` -> the tensor's whole name."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for name in names:
        module, _, part = name.removesuffix(".weight").rpartition(".")
        found[module.removeprefix("base_model.model.")][part] = name
    return dict(found)


def _compare(module: str, before: Weights, after: Weights) -> ModuleChange:
    ours, theirs = before.modules.get(module), after.modules.get(module)
    if ours is None or theirs is None:
        return ModuleChange(module, "added" if ours is None else "removed")
    same = ours == theirs and all(before.same_bytes(name, after) for name in ours.values())
    state: State = "identical" if same else "changed"
    a, b = ((before.values(ours[part]), after.values(theirs[part])) for part in (_A, _B))
    scales = before.scale(module, a[0].shape[0]), after.scale(module, a[1].shape[0])
    return ModuleChange(module, state, _norms(*a), _norms(*b), _update(scales, a, b))


def _norms(before: Array, after: Array) -> Norms | None:
    if before.shape != after.shape:
        return None
    return Norms(float(np.sum((after - before) ** 2)), float(np.sum(before**2)))


def _update(scales: tuple[float, float], a: tuple[Array, Array], b: tuple[Array, Array]) -> Norms | None:
    """Norms of the scaled products, by way of matrices of rank times rank: the products themselves may be huge."""
    if a[0].shape[1] != a[1].shape[1] or b[0].shape[0] != b[1].shape[0]:
        return None
    if scales[0] == scales[1] and np.array_equal(a[0], a[1]) and np.array_equal(b[0], b[1]):
        return Norms(0.0, scales[0] ** 2 * _inner(a[0], b[0], a[0], b[0]))

    def inner(one: int, other: int) -> float:
        return scales[one] * scales[other] * _inner(a[one], b[one], a[other], b[other])

    # Rounding may leave a little less than nothing of two that are nearly equal.
    return Norms(max(0.0, inner(1, 1) - 2 * inner(0, 1) + inner(0, 0)), inner(0, 0))


def _inner(a: Array, b: Array, other_a: Array, other_b: Array) -> float:
    """The sum over all places of B times A multiplied with the other's B times A."""
    return float(np.sum((b.T @ other_b) * (a @ other_a.T)))


def _together(changes: Sequence[ModuleChange], part: Callable[[ModuleChange], Norms | None]) -> float | None:
    found = [norms for norms in map(part, changes) if norms is not None]
    if not found:
        return None
    return Norms(sum(norms.change for norms in found), sum(norms.before for norms in found)).relative


def _ranges(numbers: Iterable[int]) -> str:
    """Layers as ranges: ``0, 2, 3, 4`` -> ``0, 2-4``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
