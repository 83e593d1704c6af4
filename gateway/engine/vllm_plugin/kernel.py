"""Adapters with few rows each, by loops that numba compiles: every weight is read once, and one call does a layer.

numba comes with vLLM, so no compiler is asked of anybody. The loops run in the threads that torch itself uses.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numba
import numpy as np
import torch
from numba import carray, types

# Sums may be taken in another order and rounded less often. Nothing is assumed of infinities: they stay where they are.
_FREEDOM = {"reassoc", "contract", "nsz"}
_THREADING = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")


@cache
def kernel() -> Kernel:
    """The one of this process: compiling takes a second, and what comes out is the same."""
    return Kernel()


class Kernel:
    """The compiled loops, and how they are started."""

    def __init__(self) -> None:
        library: Any = ctypes.CDLL(None)
        threaded = all(hasattr(library, name) for name in _THREADING)
        self._compiled = _compile(threaded)
        # The interpreter's lock is kept: giving it up and taking it again costs more than a layer's products.
        self._one = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(self._compiled.address)
        self._many = _starter(library) if threaded else None

    def run(self, block: int, threads: int) -> None:
        """Do what the block at that address says."""
        if threads > 1 and self._many is not None:
            self._many(self._compiled.address, block, threads, 0)
        else:
            self._one(block)


class Rows:
    """Rows of a batch and the slot of each, by slot: what the loops do of it."""

    def __init__(self, pairs: Sequence[tuple[int, int]]) -> None:
        self._pairs = torch.tensor(pairs)
        self.address = self._pairs.data_ptr()
        self.count = len(pairs)
        self.threads = min(torch.get_num_threads(), self.count)
        self.slots = 1 + max(slot for _, slot in pairs)


class Weights:
    """The adapters of one layer, as the loops read them.

    ``a`` is (slots, slices * rank, inputs); ``b`` is (slots, rank * outputs): slice after slice, each (rank, width).
    ``ranks`` is (slots, slices), what each really has. Raises ValueError if they do not belong together: nothing is
    checked later, but that the slots of a batch are among these.
    """

    def __init__(self, a: torch.Tensor, b: torch.Tensor, ranks: torch.Tensor, widths: Sequence[int]) -> None:
        _check(a, b, ranks, widths)
        self._run = kernel().run
        self._slots = len(a)
        self._sizes = (ctypes.c_int64 * 8)(0, 0, 0, 0, *a.shape, len(widths))
        self._scale = ctypes.c_float()
        # Held as long as their addresses are.
        self._tensors = (a, b, ranks, torch.tensor(widths))
        held = [tensor.data_ptr() for tensor in self._tensors]
        places = (None, None, None, ctypes.addressof(self._sizes), ctypes.addressof(self._scale), *held)
        self._block = (ctypes.c_void_p * 9)(*places)
        self._at = ctypes.addressof(self._block)

    def add(self, y: torch.Tensor, x: torch.Tensor, rows: Rows, scale: float) -> None:
        """Add the products of ``x`` to ``y``. Both are float32 and have their columns beside each other."""
        if rows.slots > self._slots:
            raise ValueError(f"{rows.slots} slots of {self._slots}")
        block, sizes = self._block, self._sizes
        block[0], block[1], block[2] = x.data_ptr(), y.data_ptr(), rows.address
        sizes[0], sizes[1], sizes[2], sizes[3] = x.stride(0), y.stride(0), x.size(0), rows.count
        self._scale.value = scale
        self._run(self._at, rows.threads)


def _check(a: torch.Tensor, b: torch.Tensor, ranks: torch.Tensor, widths: Sequence[int]) -> None:
    slots, ranked, _ = a.shape
    room = ranked // len(widths)
    fits = b.shape == (slots, room * sum(widths)) and ranks.shape == (slots, len(widths))
    plain = a.is_contiguous() and b.is_contiguous() and ranks.is_contiguous()
    if not (fits and plain and 0 <= int(ranks.min()) <= int(ranks.max()) <= room):
        raise ValueError(f"{a.shape}, {b.shape} and {ranks.shape} do not belong together")


def _starter(library: Any) -> Callable[[int, int, int, int], None]:
    """Runs a function of one address in so many threads of OpenMP's, which torch keeps awake between its products."""
    address = ctypes.cast(library.GOMP_parallel, ctypes.c_void_p).value
    kind = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    return kind(address)  # type: ignore[arg-type]  # it is there


def _compile(threaded: bool) -> Any:
    number: Any = types.ExternalFunction("omp_get_thread_num", types.int32()) if threaded else numba.njit(lambda: 0)
    count: Any = types.ExternalFunction("omp_get_num_threads", types.int32()) if threaded else numba.njit(lambda: 1)
    products = _fast(_products(_fast(_dot), _fast(_add_scaled)))

    def share(block: Any) -> None:
        """What this thread does of a block: addresses as ``Weights`` lays them out."""
        sizes = carray(block[3], 8, np.int64)
        slots, slices = sizes[4], sizes[7]
        x = (carray(block[0], sizes[2] * sizes[0], np.float32), sizes[0])
        y = (carray(block[1], sizes[2] * sizes[1], np.float32), sizes[1])
        rows = carray(block[2], (sizes[3], 2), np.int64)
        a = carray(block[5], (slots, sizes[5], sizes[6]), np.float32)
        widths = carray(block[8], slices, np.int64)
        b = carray(block[6], (slots, sizes[5] // slices * widths.sum()), np.float32)
        ranks = carray(block[7], (slots, slices), np.int64)
        first, last = len(rows) * number() // count(), len(rows) * (number() + 1) // count()
        products(rows[first:last], x, y, a, b, ranks, widths, carray(block[4], 1, np.float32)[0])

    return numba.cfunc(types.void(types.CPointer(types.voidptr)))(share)


def _fast(function: Callable[..., Any]) -> Any:
    return numba.njit(fastmath=_FREEDOM)(function)


def _products(dot: Callable[..., Any], add_scaled: Callable[..., None]) -> Callable[..., None]:
    """The loops. Slices of one dimension let the compiler see that what they hold lies beside each other."""

    def products(rows: Any, x: Any, y: Any, a: Any, b: Any, ranks: Any, widths: Any, scale: Any) -> None:
        room = a.shape[1] // len(widths)
        for row, slot in rows:
            given = x[0][row * x[1] : row * x[1] + a.shape[2]]
            start = 0
            for place, width in enumerate(widths):
                out = y[0][row * y[1] + start : row * y[1] + start + width]
                for rank in range(ranks[slot, place]):
                    at = room * start + rank * width
                    add_scaled(out, b[slot, at : at + width], scale * dot(a[slot, place * room + rank], given))
                start += width

    return products


def _dot(left: Any, right: Any) -> Any:
    total = np.float32(0)
    for place in range(len(left)):
        total += left[place] * right[place]
    return total


def _add_scaled(out: Any, added: Any, factor: Any) -> None:
    for place in range(len(out)):
        out[place] += added[place] * factor
