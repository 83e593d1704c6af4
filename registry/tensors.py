"""Tensors of a safetensors file as raw bytes: enough to judge an adapter, without torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, deserialize

from postil.registry.errors import PreflightError

# The bits of the exponent: all set means NaN or infinite, in every IEEE format.
_EXPONENT = {"F32": (np.uint32, 0x7F800000), "F16": (np.uint16, 0x7C00), "BF16": (np.uint16, 0x7F80)}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: its name, its type as safetensors names it (``F32``), its shape, its little-endian bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes

    def finite(self) -> bool:
        """Whether no value is NaN or infinite. Raises PreflightError for a type that adapters do not have."""
        if self.dtype not in _EXPONENT:
            raise PreflightError(
                f"{self.name} is of type {self.dtype}; adapters are {', '.join(_EXPONENT)}: save it as one of these"
            )
        kind, mask = _EXPONENT[self.dtype]
        return not bool(np.any((np.frombuffer(self.data, dtype=kind) & kind(mask)) == mask))


def read_tensors(path: Path) -> Iterator[Tensor]:
    """The tensors of a file, by name. Raises PreflightError if it is not whole safetensors."""
    try:
        found = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    except (SafetensorError, ValueError) as error:
        raise PreflightError(f"{path.name} is corrupt ({error}); save or copy the adapter again") from error
    for name, tensor in sorted(found, key=lambda pair: str(pair[0])):  # Their own order is left to chance.
        yield Tensor(name, tensor["dtype"], tuple(tensor["shape"]), tensor["data"])
