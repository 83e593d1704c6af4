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
from postil.registry.preflight import tensors
from postil.registry.preflight.tensors import Tensor, read_tensors
from tests.registry.preflight.bad_adapters import as_bfloat16, write_raw

NOT_FINITE = [float("nan"), float("inf"), float("-inf")]


def as_bytes(values: list[float], dtype: str) -> bytes:
    """The values as safetensors holds them."""
    if dtype == "BF16":
        return as_bfloat16(np.array(values, "<f4")).tobytes()
    return np.array(values, {"F32": "<f4", "F16": "<f2"}[dtype]).tobytes()


def largest(path: Path, values: list[float], dtype: str) -> float:
    """The largest of these values as it is found in a file, with other bytes before and after it."""
    data = as_bytes(values, dtype)
    path.write_bytes(b"\xff" * 5 + data + b"\xff" * 5)
    with path.open("rb") as file:
        return Tensor("a", dtype, (len(values),), 5, 5 + len(data)).largest(file)


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
@given(values=st.lists(st.floats(width=16) | st.sampled_from(NOT_FINITE), max_size=8))
@settings(deadline=None, max_examples=60)
def test_the_largest_is_what_numpy_calls_so(
    tmp_path_factory: pytest.TempPathFactory, dtype: str, values: list[float]
) -> None:
    found = largest(tmp_path_factory.getbasetemp() / "values", values, dtype)
    known = np.array(values, "f8")
    expected = float(np.where(np.isfinite(known), np.abs(known), np.inf).max(initial=0))
    assert found == pytest.approx(expected, rel=2**-7 if dtype == "BF16" else 0)


@pytest.mark.parametrize(
    ("dtype", "value"), [("F32", 3.4028234663852886e38), ("F16", 65504.0), ("BF16", 3.3895313892515355e38)]
)
def test_the_largest_number_of_a_type_is_finite(tmp_path: Path, dtype: str, value: float) -> None:
    assert largest(tmp_path / "values", [1.0, -value], dtype) == value


@pytest.mark.parametrize("at", [0, 9, 10, 11, 24])
def test_a_value_is_found_wherever_the_chunks_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    monkeypatch.setattr(tensors, "_CHUNK", 40)
    values = [0.5] * 25
    values[at] = float("nan")
    assert largest(tmp_path / "values", values, "F32") == float("inf")


def test_tensors_are_found_where_they_were_saved(tmp_path: Path) -> None:
    saved = {"b": np.ones((1,), "<f2"), "a": np.arange(6, dtype="<f4").reshape(2, 3)}
    save_file(saved, tmp_path / "x.safetensors", {"format": "pt"})
    content = (tmp_path / "x.safetensors").read_bytes()
    found = read_tensors(tmp_path / "x.safetensors")
    assert [(t.name, t.dtype, t.shape, content[t.begin : t.end]) for t in found] == [
        ("a", "F32", (2, 3), saved["a"].tobytes()),
        ("b", "F16", (1,), saved["b"].tobytes()),
    ]


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
        ({"a\n\u2028\x1b": ONE["a"], "a\n\u2028\x1c": ONE["a"]}, b"\0" * 4),
    ],
)
def test_a_header_that_lies_is_corrupt(tmp_path: Path, header: Mapping[str, object], data: bytes) -> None:
    path = write_raw(tmp_path / "x.safetensors", header, data)
    with pytest.raises(PreflightError) as caught:
        read_tensors(path)
    assert str(caught.value).startswith("x.safetensors is corrupt (")
    assert str(caught.value).endswith("), and only whole safetensors files are read; save or copy the adapter again")
    assert str(caught.value).isprintable()


def test_a_header_of_many_megabytes_is_not_read(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "x.safetensors", {"__metadata__": {"a": "x" * (17 << 20)}}, b"")
    with pytest.raises(PreflightError, match=r"its header would have 17,825,8\d\d bytes, more than 16,777,216"):
        read_tensors(path)


@given(junk=st.binary(max_size=40))
@settings(deadline=None, max_examples=60)
def test_junk_is_refused_or_holds_nothing(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.safetensors"
    path.write_bytes(junk)
    try:
        assert read_tensors(path) == []
    except PreflightError:
        assert junk != struct.pack("<Q", 2) + b"{}"
