"""Weights that are wrong in one way each, and the sentence that says which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from postil.registry.base.model import BaseModel
from postil.registry.errors import PreflightError
from postil.registry.preflight import preflight
from tests.registry.adapters import (
    Q_A,
    Q_B,
    WEIGHTS,
    Array,
    as_bfloat16,
    good_config,
    good_tensors,
    write,
    write_raw,
    write_tensors,
)

Change = Callable[[dict[str, Array]], dict[str, Array]]
LAYER = "model.layers.0.self_attn"
NOT_FINITE = [float("nan"), float("inf"), float("-inf")]


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A good adapter."""
    return write(tmp_path / "adapter", good_tensors(), good_config())


def refusal(folder: Path, base: BaseModel) -> str:
    """The sentence with which a folder is refused."""
    with pytest.raises(PreflightError) as caught:
        preflight(folder, base, 8)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def put(name: str, array: Any) -> Change:
    """Another tensor in the place of one, or one more."""
    return lambda tensors: {**tensors, name: np.asarray(array, order="C")}


def without(name: str) -> Change:
    """All tensors but one."""
    return lambda tensors: {key: array for key, array in tensors.items() if key != name}


def renamed(old: str, new: str) -> Change:
    """Another text in the names of all tensors."""
    return lambda tensors: {name.replace(old, new): array for name, array in tensors.items()}


def cast(dtype: str) -> Change:
    """All tensors as another type."""
    return lambda tensors: {name: array.astype(dtype) for name, array in tensors.items()}


def with_value(value: float) -> dict[str, Array]:
    """Good tensors with one value at the very end of one of them."""
    tensors = good_tensors()
    tensors[Q_B][-1, -1] = value
    return tensors


@pytest.mark.parametrize(
    ("change", "part", "found"),
    [
        (without(Q_B), "lora_B", "missing"),
        (without(Q_A), "lora_A", "missing"),
        (put(Q_A, np.ones((2, 16), "f4")), "lora_A", "2x16"),
        (put(Q_A, np.ones((3, 8), "f4")), "lora_A", "3x8"),
        (put(Q_A, np.ones((8, 2), "f4")), "lora_A", "8x2"),
        (put(Q_A, np.ones((0, 8), "f4")), "lora_A", "0x8"),
        (put(Q_A, np.ones(16, "f4")), "lora_A", "16"),
        (put(Q_A, np.ones((2, 8, 1), "f4")), "lora_A", "2x8x1"),
        (put(Q_A, np.ones((), "f4")), "lora_A", "a single number"),
        (put(Q_B, np.ones((16, 2), "f4")), "lora_B", "16x2"),
        (put(Q_B, np.ones((2, 8), "f4")), "lora_B", "2x8"),
    ],
)
def test_a_wrong_shape_is_refused(
    tmp_path: Path, base: BaseModel, change: Change, part: str, found: str
) -> None:
    needed = {"lora_A": "2x8", "lora_B": "8x2"}[part]
    assert refusal(write(tmp_path / "adapter", change(good_tensors()), good_config()), base) == (
        f"{part} of {LAYER}.q_proj is {found}, and tiny/base with rank 2 needs {needed}; train the adapter on tiny/base"
    )


@pytest.mark.parametrize("rank", [1, 4])
def test_a_rank_that_the_weights_do_not_have_is_refused(tmp_path: Path, base: BaseModel, rank: int) -> None:
    folder = write(tmp_path / "adapter", good_tensors(rank), good_config(rank=2))
    assert refusal(folder, base).startswith(f"lora_A of {LAYER}.q_proj is {rank}x8, and tiny/base with rank 2 needs")


@pytest.mark.parametrize(
    ("old", "new", "module"),
    [("layers.0", "layers.7", "model.layers.7.self_attn.q_proj"), ("q_proj", "c_attn", f"{LAYER}.c_attn")],
)
def test_a_module_that_the_base_does_not_have_is_refused(
    tmp_path: Path, base: BaseModel, old: str, new: str, module: str
) -> None:
    folder = write(tmp_path / "adapter", renamed(old, new)(good_tensors()), good_config())
    assert refusal(folder, base) == f"{module} does not exist in tiny/base; train the adapter on tiny/base"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (renamed("base_model.model.model", "model"), f"{LAYER}.q_proj.lora_A.weight"),
        (renamed("lora_A.weight", "lora_A.default.weight"), Q_A.replace("lora_A", "lora_A.default")),
        (put("base_model.model.lm_head.weight", np.ones((4, 8), "f4")), "base_model.model.lm_head.weight"),
        (put(f"base_model.model.{LAYER}.q_proj.lora_magnitude_vector", np.ones(8, "f4")),
         f"base_model.model.{LAYER}.q_proj.lora_magnitude_vector"),
        (put(Q_B.replace("weight", "bias"), np.ones(8, "f4")), Q_B.replace("weight", "bias")),
        (put("base_model.model.model.embed_tokens.lora_embedding_A", np.ones((2, 4), "f4")),
         "base_model.model.model.embed_tokens.lora_embedding_A"),
        (put("extra", np.ones(1, "f4")), "extra"),
    ],
)  # fmt: skip
def test_a_tensor_that_is_no_lora_is_refused(tmp_path: Path, base: BaseModel, change: Change, name: str) -> None:
    assert refusal(write(tmp_path / "adapter", change(good_tensors()), good_config()), base) == (
        f"{name} is not a LoRA tensor (base_model.model.*.lora_A.weight or lora_B);"
        " save only the adapter, without whole layers"
    )


@pytest.mark.parametrize("name", ["model.embed_tokens", "lm_head"])
def test_a_lora_on_the_embedding_is_refused(tmp_path: Path, base: BaseModel, name: str) -> None:
    tensors: dict[str, Array] = {f"base_model.model.{name}.lora_{part}.weight": np.ones((2, 2), "f4") for part in "AB"}
    whole = BaseModel(base.id, base.path, base.revision, {**base.modules, name: (2, 2)})
    folder = write(tmp_path / "adapter", tensors, good_config())
    assert refusal(folder, whole) == f"{name} cannot carry a LoRA in vLLM; take it out of target_modules"


def test_a_file_without_tensors_is_refused(tmp_path: Path, base: BaseModel) -> None:
    folder = write(tmp_path / "adapter", {}, good_config())
    assert refusal(folder, base) == f"{WEIGHTS} holds no tensors; save the adapter again"


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_values_that_are_not_finite_are_refused(adapter: Path, base: BaseModel, dtype: str, value: float) -> None:
    as_stored: dict[str, Callable[[Array], Array]] = {
        "F32": lambda array: array,
        "F16": lambda array: array.astype("f2"),
        "BF16": as_bfloat16,
    }
    stored = {name: as_stored[dtype](array) for name, array in with_value(value).items()}
    write_tensors(adapter / WEIGHTS, stored, dtype)
    assert refusal(adapter, base) == (
        f"{Q_B} holds NaN or infinite values; train again with a lower learning rate"
    )


@pytest.mark.parametrize(("dtype", "name"), [("f8", "F64"), ("i1", "I8")])
def test_an_odd_type_is_refused(tmp_path: Path, base: BaseModel, dtype: str, name: str) -> None:
    folder = write(tmp_path / "adapter", cast(dtype)(good_tensors()), good_config())
    assert refusal(folder, base) == (
        f"{Q_A} is of type {name}; adapters are F32, F16, BF16: save it as one of these"
    )


@pytest.mark.parametrize("kept", [0, 7, 8, 40, -1])
def test_a_truncated_file_is_corrupt(adapter: Path, base: BaseModel, kept: int) -> None:
    (adapter / WEIGHTS).write_bytes((adapter / WEIGHTS).read_bytes()[:kept])
    sentence = refusal(adapter, base)
    assert sentence.startswith(f"{WEIGHTS} is corrupt (")
    assert sentence.endswith("); save or copy the adapter again")


@pytest.mark.parametrize(
    "content", [b"\x80\x04N." * 9, b"PK\x03\x04" * 9, b"version https://git-lfs.github.com/spec/v1\n", b"\xff" * 99]
)
def test_another_kind_of_file_under_that_name_is_corrupt(adapter: Path, base: BaseModel, content: bytes) -> None:
    (adapter / WEIGHTS).write_bytes(content)
    assert refusal(adapter, base).startswith(f"{WEIGHTS} is corrupt (")


def test_tensors_that_share_their_bytes_are_corrupt(adapter: Path, base: BaseModel) -> None:
    one = {"dtype": "F32", "shape": [2, 8], "data_offsets": [0, 64]}
    write_raw(adapter / WEIGHTS, {Q_A: one, Q_B: one}, b"\0" * 64)
    assert refusal(adapter, base).startswith(f"{WEIGHTS} is corrupt (")
