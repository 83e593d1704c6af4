"""Checks tensors of a safetensors file by header and raw bytes, in chunks and without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors import SafetensorError, safe_open

from postil.registry.preflight.untrusted import read_json, refuse

_MAX_HEADER = 16 << 20
_CHUNK = 4 << 20
# For each type: an unsigned integer type of the same width, a mask without the sign bit, and the bits of infinity; NaNs
# are above. IEEE 754 numbers without their sign are ordered like the integers with the same bits.
_BITS = {
    "F32": (np.uint32, 0x7FFFFFFF, 0x7F800000),
    "F16": (np.uint16, 0x7FFF, 0x7C00),
    "BF16": (np.uint16, 0x7FFF, 0x7F80),
}
TYPES = tuple(_BITS)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor: its name, its safetensors type (``F32``), its shape, and its position in the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    def largest(self, file: BinaryIO) -> float:
        """Return the largest absolute value; infinite if any value is NaN or infinite. The type must be in TYPES."""
        kind, unsigned, infinite = _BITS[self.dtype]
        most = 0
        file.seek(self.begin)
        for left in range(self.end - self.begin, 0, -_CHUNK):
            bits = np.frombuffer(file.read(min(_CHUNK, left)), dtype=np.dtype(kind).newbyteorder("<"))
            most = max(most, int(np.max(bits & kind(unsigned))))
        return math.inf if most >= infinite else _number(most, self.dtype)


def read_tensors(path: Path) -> list[Tensor]:
    """Read the tensors by name from a file's header. Raises PreflightError if the file is not valid safetensors."""
    try:
        length = _header_length(path)
        with safe_open(path, framework="numpy") as file:  # It checks that header and file agree to the last byte.
            names = sorted(file.keys())
        header = _header(path, length)
    except (SafetensorError, ValueError) as error:
        reason = ascii(" ".join(str(error).split())[:200])[1:-1]  # The text may contain untrusted names.
        found = f"{path.name} is corrupt ({reason})"
        refuse(found, "only whole safetensors files are read", "save or copy the adapter again")
    return [_tensor(name, header[name], 8 + length) for name in names]


def _header_length(path: Path) -> int:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > _MAX_HEADER:
        raise ValueError(f"its header would have {length:,} bytes, more than {_MAX_HEADER:,}")
    return length


def _header(path: Path, length: int) -> Mapping[str, Any]:
    with path.open("rb") as file:
        file.seek(8)
        header: Mapping[str, Any] = read_json(file.read(length))
    return header


def _tensor(name: str, stated: Mapping[str, Any], data: int) -> Tensor:
    begin, end = stated["data_offsets"]
    return Tensor(name, stated["dtype"], tuple(stated["shape"]), data + begin, data + end)


def _number(bits: int, dtype: str) -> float:
    if dtype == "F16":
        return float(np.uint16(bits).view(np.float16))
    return float(np.uint32(bits << 16 if dtype == "BF16" else bits).view(np.float32))
