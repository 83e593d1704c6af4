from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from postil.registry.errors import PreflightError
from postil.registry.tensors import Tensor, read_tensors
from tests.registry.adapters import as_bfloat16, write_raw

NOT_FINITE = [float("nan"), float("inf"), float("-inf")]


def as_bytes(values: list[float], dtype: str) -> bytes:
    """The values as safetensors holds them."""
    if dtype == "BF16":
        return as_bfloat16(np.array(values, "<f4")).tobytes()
    return np.array(values, {"F32": "<f4", "F16": "<f2"}[dtype]).tobytes()


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
@given(values=st.lists(st.floats(width=16) | st.sampled_from(NOT_FINITE), max_size=8))
@settings(deadline=None, max_examples=60)
def test_finite_is_what_numpy_calls_finite(dtype: str, values: list[float]) -> None:
    tensor = Tensor("a", dtype, (len(values),), as_bytes(values, dtype))
    assert tensor.finite() == bool(np.isfinite(np.array(values)).all())


@pytest.mark.parametrize(
    ("dtype", "largest"), [("F32", 3.4028234663852886e38), ("F16", 65504.0), ("BF16", 3.3895313892515355e38)]
)
def test_the_largest_number_is_finite(dtype: str, largest: float) -> None:
    assert Tensor("a", dtype, (2,), as_bytes([largest, -largest], dtype)).finite()


@pytest.mark.parametrize("dtype", ["F64", "I8", "BOOL", "F8_E4M3"])
def test_a_type_that_adapters_do_not_have_is_refused(dtype: str) -> None:
    with pytest.raises(PreflightError) as caught:
        Tensor("a.weight", dtype, (1,), b"\0" * 8).finite()
    assert str(caught.value) == f"a.weight is of type {dtype}; adapters are F32, F16, BF16: save it as one of these"


def test_tensors_are_read_as_they_were_saved(tmp_path: Path) -> None:
    saved = {"a": np.arange(6, dtype="<f4").reshape(2, 3), "b": np.ones((1,), "<f2")}
    save_file(saved, tmp_path / "x.safetensors")
    found = {tensor.name: tensor for tensor in read_tensors(tmp_path / "x.safetensors")}
    assert {name: (t.dtype, t.shape, t.data) for name, t in found.items()} == {
        "a": ("F32", (2, 3), saved["a"].tobytes()),
        "b": ("F16", (1,), saved["b"].tobytes()),
    }


ONE = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}


@pytest.mark.parametrize(
    ("header", "data"),
    [
        (ONE, b"\0" * 3),
        (ONE, b"\0" * 5),
        ({"a": {**ONE["a"], "shape": [2]}}, b"\0" * 4),
        ({"a": {**ONE["a"], "data_offsets": [4, 8]}}, b"\0" * 8),
        ({"a": {**ONE["a"], "dtype": "F33"}}, b"\0" * 4),
        ({"a": {**ONE["a"], "shape": [-1]}}, b"\0" * 4),
        ({"a": {**ONE["a"], "shape": [2**63, 2**63]}}, b"\0" * 4),
        ({**ONE, "b": ONE["a"]}, b"\0" * 4),
        ({"a": []}, b""),
    ],
)
def test_a_header_that_lies_is_corrupt(tmp_path: Path, header: Mapping[str, object], data: bytes) -> None:
    path = write_raw(tmp_path / "x.safetensors", header, data)
    with pytest.raises(PreflightError, match=r"^x\.safetensors is corrupt \(.*\); save or copy the adapter again$"):
        list(read_tensors(path))


@given(junk=st.binary(max_size=40))
@settings(deadline=None, max_examples=60)
def test_junk_is_refused_or_holds_nothing(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.safetensors"
    path.write_bytes(junk)
    try:
        assert list(read_tensors(path)) == []
    except PreflightError:
        assert junk != struct.pack("<Q", 2) + b"{}"
