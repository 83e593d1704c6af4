"""Weights that are wrong in one way each, and the sentence that says which."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from postil.registry.base_model.model import BaseModel, read_base
from postil.registry.errors import PreflightError
from postil.registry.preflight.preflight import preflight
from tests.fakes.adapter_draft import Draft, write_llama
from tests.registry.conftest import Refusal
from tests.registry.preflight.bad_adapters import (
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
AS_STORED: dict[str, Callable[[Array], Array]] = {
    "F32": lambda array: array,
    "F16": lambda array: array.astype("f2"),
    "BF16": as_bfloat16,
}


def put(name: str, array: Any) -> Change:
    """Another tensor in the place of one, or one more."""
    return lambda tensors: {**tensors, name: np.asarray(array, order="C")}


def renamed(old: str, new: str) -> Change:
    """Another text in the names of all tensors."""
    return lambda tensors: {name.replace(old, new): array for name, array in tensors.items()}


@pytest.mark.parametrize(
    ("change", "part", "found"),
    [
        (put(Q_A, np.ones((2, 16), "f4")), "lora_A", "2x16"),
        (put(Q_A, np.ones((3, 8), "f4")), "lora_A", "3x8"),
        (put(Q_A, np.ones((8, 2), "f4")), "lora_A", "8x2"),
        (put(Q_A, np.ones((), "f4")), "lora_A", "a single number"),
        (put(Q_B, np.ones((16, 2), "f4")), "lora_B", "16x2"),
        (put(Q_B, np.ones((2, 8, 1), "f4")), "lora_B", "2x8x1"),
    ],
)
def test_a_wrong_shape_is_refused(tmp_path: Path, refusal: Refusal, change: Change, part: str, found: str) -> None:
    needed = {"lora_A": "2x8", "lora_B": "8x2"}[part]
    assert refusal(write(tmp_path / "adapter", change(good_tensors()), good_config())) == (
        f"{part} of {LAYER}.q_proj is {found}, and tiny/base with rank 2 needs {needed}; train the adapter on tiny/base"
    )


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (put(f"{LAYER}.q_proj.lora_A.weight", np.ones((2, 8), "f4")), f"{LAYER}.q_proj.lora_A.weight"),
        (put("extra", np.ones(1, "f4")), "extra"),
        (put("", np.ones(1, "f4")), "''"),
        (put("a\nb\u202e", np.ones(1, "f4")), "'a\\nb\\u202e'"),
        (put(Q_A.replace("lora_A.weight", "lora_embedding_A"), np.ones((2, 8), "f4")),
         Q_A.replace("lora_A.weight", "lora_embedding_A")),
    ],
)  # fmt: skip
def test_a_tensor_that_is_no_lora_is_refused(tmp_path: Path, refusal: Refusal, change: Change, name: str) -> None:
    assert refusal(write(tmp_path / "adapter", change(good_tensors()), good_config())) == (
        f"{name} is not a LoRA tensor, and only base_model.model.*.lora_A.weight and lora_B.weight can be served;"
        " save the adapter alone, with PEFT's save_pretrained"
    )


def test_a_name_of_a_tensor_may_be_as_long_as_it_likes(tmp_path: Path, refusal: Refusal) -> None:
    tensors = renamed("q_proj", "q" * 10_000)(good_tensors())
    assert len(refusal(write(tmp_path / "adapter", tensors, good_config()))) < 500


@pytest.mark.parametrize("targets", [["q_proj"], ["self_attn.q_proj"], [f"{LAYER}.q_proj"], ".*q_proj", "all-linear"])
def test_an_adapter_of_one_module_is_good(tmp_path: Path, base: BaseModel, targets: object) -> None:
    tensors = {name: array for name, array in good_tensors().items() if "q_proj" in name}
    folder = write(tmp_path / "adapter", tensors, {**good_config(), "target_modules": targets})
    assert preflight(folder, base, 8).targets == ("q_proj",)


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("dtype", AS_STORED)
def test_values_that_are_not_finite_are_refused(adapter: Path, refusal: Refusal, dtype: str, value: float) -> None:
    tensors = good_tensors()
    tensors[Q_B][-1, -1] = value
    write_tensors(adapter / WEIGHTS, {name: AS_STORED[dtype](array) for name, array in tensors.items()}, dtype)
    assert refusal(adapter) == (
        f"{Q_B} holds NaN or infinite values, and the largest size allowed is 65504;"
        " train again with a lower learning rate"
    )


@pytest.mark.parametrize("value", [65504.0, -65504.0])
@pytest.mark.parametrize("dtype", ["F32", "F16"])
def test_the_largest_number_of_float16_is_taken(adapter: Path, base: BaseModel, dtype: str, value: float) -> None:
    tensors = good_tensors()
    tensors[Q_A][0, 0] = value
    write_tensors(adapter / WEIGHTS, {name: AS_STORED[dtype](array) for name, array in tensors.items()}, dtype)
    assert preflight(adapter, base, 8).rank == 2


@pytest.mark.parametrize("kept", [0, 7, 8, 40, -1])
def test_a_truncated_file_is_corrupt(adapter: Path, refusal: Refusal, kept: int) -> None:
    (adapter / WEIGHTS).write_bytes((adapter / WEIGHTS).read_bytes()[:kept])
    assert refusal(adapter).startswith(f"{WEIGHTS} is corrupt (")


@pytest.mark.parametrize("content", [b"\x80\x04N." * 9, b"PK\x03\x04" * 9, b"\xff" * 99])
def test_another_kind_of_file_under_that_name_is_corrupt(adapter: Path, refusal: Refusal, content: bytes) -> None:
    (adapter / WEIGHTS).write_bytes(content)
    assert refusal(adapter).startswith(f"{WEIGHTS} is corrupt (")


def test_tensors_that_share_their_bytes_are_corrupt(adapter: Path, refusal: Refusal) -> None:
    one = {"dtype": "F32", "shape": [2, 8], "data_offsets": [0, 64]}
    write_raw(adapter / WEIGHTS, {Q_A: one, Q_B: one}, b"\0" * 64)
    assert refusal(adapter).startswith(f"{WEIGHTS} is corrupt (")


def deeper(tmp_path: Path, lost: str, config: dict[str, Any], prefix: str = "model.layers.3.") -> str | None:
    """What preflight says where the base's files hold one layer more than it has, and some tensors are lost."""
    base = write_llama(tmp_path / "base", layers=4)
    (base.path / "config.json").write_text(json.dumps(config))
    base = read_base(base.path, base.id)
    modules = {name.replace("model.layers.3.", prefix): shape for name, shape in base.modules.items()}
    draft = Draft(base)
    draft.drop(lost)
    try:
        preflight(draft.write(tmp_path / "adapter"), BaseModel(base.id, base.path, base.revision, modules), 16)
    except PreflightError as error:
        return str(error)
    return None


@pytest.mark.parametrize("config", [{"num_hidden_layers": 3}, {"text_config": {"num_hidden_layers": 3}}])
def test_a_layer_that_the_base_does_not_compute_with_may_be_missing(tmp_path: Path, config: dict[str, Any]) -> None:
    assert deeper(tmp_path, "layers.3.", config) is None


def test_another_tower_of_the_base_may_be_left_alone(tmp_path: Path) -> None:
    assert deeper(tmp_path, "layers.3.", {}, prefix="vision.blocks.3.") is None


def test_the_experts_of_a_mixture_may_be_left_alone(tmp_path: Path) -> None:
    base = write_llama(tmp_path / "base")
    modules = {**base.modules, "model.layers.0.mlp.experts.3.w1": (8, 16)}
    draft = Draft(base)
    draft.config["target_modules"].append("w1")
    folder = draft.write(tmp_path / "adapter")
    assert preflight(folder, BaseModel(base.id, base.path, base.revision, modules), 16).rank == 4


@pytest.mark.parametrize("config", [{}, {"num_hidden_layers": 4}, {"num_hidden_layers": None, "text_config": None}])
def test_the_last_layer_may_not_be_missing(tmp_path: Path, config: dict[str, Any]) -> None:
    assert deeper(tmp_path, "layers.3.", config) == (
        "the tensors of model.layers.3.self_attn.q_proj are missing, and adapter_config.json says that it is changed;"
        " save or copy the adapter again"
    )
