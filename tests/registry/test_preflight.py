"""Adapters that are good, and the files that do or do not belong to one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from postil.registry.base.model import BaseModel, read_base
from postil.registry.errors import PreflightError
from postil.registry.preflight import preflight
from tests.fakes.adapters import write_adapter
from tests.registry.adapters import WEIGHTS, as_bfloat16, good_config, good_tensors, write, write_tensors


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A good adapter."""
    return write(tmp_path / "adapter", good_tensors(), good_config())


def refusal(folder: Path, base: BaseModel) -> str:
    """The sentence with which a folder is refused."""
    with pytest.raises(PreflightError) as caught:
        preflight(folder, base, 8)
    return str(caught.value)


def test_a_good_adapter_is_described(adapter: Path, base: BaseModel) -> None:
    info = preflight(adapter, base, 8)
    assert (info.rank, info.targets, info.parameters) == (2, ("q_proj", "v_proj"), 2 * (8 + 8) + 2 * (8 + 4))


@pytest.mark.parametrize("rank", [1, 8])
def test_any_rank_up_to_the_largest_is_good(tmp_path: Path, base: BaseModel, rank: int) -> None:
    folder = write(tmp_path / "adapter", good_tensors(rank), good_config(rank))
    assert preflight(folder, base, 8).rank == rank


@pytest.mark.parametrize("dtype", ["float32", "float16", "BF16"])
def test_every_type_that_adapters_have_is_good(adapter: Path, base: BaseModel, dtype: str) -> None:
    if dtype == "BF16":
        write_tensors(adapter / WEIGHTS, {k: as_bfloat16(v) for k, v in good_tensors().items()}, dtype)
    else:
        write_tensors(adapter / WEIGHTS, good_tensors(dtype=dtype))
    assert preflight(adapter, base, 8).rank == 2


def test_the_adapter_that_other_tests_use_is_good(tmp_path: Path, base: BaseModel) -> None:
    assert preflight(write_adapter(tmp_path / "adapter", rank=4), base, 8).rank == 4


def test_an_adapter_of_one_module_is_good(tmp_path: Path, base: BaseModel) -> None:
    tensors = {name: array for name, array in good_tensors().items() if "q_proj" in name}
    assert preflight(write(tmp_path / "adapter", tensors, good_config()), base, 8).targets == ("q_proj",)


@pytest.mark.parametrize(
    "stated",
    [
        {"base_model_name_or_path": None},
        {"base_model_name_or_path": "TINY/Base"},
        {"base_model_name_or_path": "/home/ann/base"},
        {"base_model_name_or_path": "./base/model"},
        {"base_model_name_or_path": "../base"},
        {"base_model_name_or_path": "base"},
        {"base_model_name_or_path": "models/base/4"},
        {"lora_alpha": 0.5},
        {"use_rslora": True},
        {"lora_dropout": 0.1, "target_modules": "all-linear"},
    ],
)
def test_what_the_configuration_may_say(tmp_path: Path, base: BaseModel, stated: Mapping[str, object]) -> None:
    folder = write(tmp_path / "adapter", good_tensors(), {**good_config(), **stated})
    assert preflight(folder, base, 8).rank == 2


def test_a_short_configuration_is_enough(tmp_path: Path, base: BaseModel) -> None:
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4}
    assert preflight(write(tmp_path / "adapter", good_tensors(), config), base, 8).rank == 2


def test_a_hub_id_says_nothing_where_the_base_is_a_folder(tmp_path: Path, base: BaseModel) -> None:
    folder = write(tmp_path / "adapter", good_tensors(), {**good_config(), "base_model_name_or_path": "some/other"})
    local = read_base(base.path, "base")
    assert preflight(folder, local, 8).rank == 2


@pytest.mark.parametrize(
    "name",
    ["README.md", "tokenizer.json", "vocab.txt", "chat_template.jinja", "policy.yaml", "A.JSON"],
)
def test_files_that_come_with_an_adapter_are_taken(adapter: Path, base: BaseModel, name: str) -> None:
    (adapter / name).write_text("x")
    assert preflight(adapter, base, 8).rank == 2


@pytest.mark.parametrize(
    "name",
    ["adapter_model.bin", "training_args.bin", "x.pt", "x.pth", "x.pkl", "x.pickle", "x.ckpt", "X.BIN", "optimizer.Pt"],
)
def test_a_pickle_is_refused(adapter: Path, base: BaseModel, name: str) -> None:
    (adapter / name).write_bytes(b"\x80\x04N.")
    assert refusal(adapter, base) == (
        f"{name} is a pickle, which can run code when it is loaded; remove it (weights belong in {WEIGHTS})"
    )


def test_weights_that_are_only_a_pickle_are_refused_as_one(adapter: Path, base: BaseModel) -> None:
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")
    assert refusal(adapter, base).startswith("adapter_model.bin is a pickle, ")


@pytest.mark.parametrize(
    "name",
    [".DS_Store", ".gitattributes", ".hidden.json", ".json", "modeling.py", "run.sh", "lib.so", "noending", "x.gguf",
     "x.h5", "x.tar.gz", "x.py.", "x.npy"],
)  # fmt: skip
def test_a_file_that_does_not_belong_is_refused(adapter: Path, base: BaseModel, name: str) -> None:
    (adapter / name).write_text("x")
    assert refusal(adapter, base) == f"{name} does not belong to an adapter; remove it"


@pytest.mark.parametrize("name", ["model.safetensors", "adapter_model-2.safetensors", "ADAPTER_MODEL.SAFETENSORS"])
def test_a_second_weights_file_is_refused(adapter: Path, base: BaseModel, name: str) -> None:
    (adapter / name).write_bytes((adapter / WEIGHTS).read_bytes())
    assert refusal(adapter, base) == (
        f"{name} is not {WEIGHTS}, the one weights file of an adapter; rename or remove it"
    )


@pytest.mark.parametrize("name", ["adapter_config.json", WEIGHTS])
def test_a_missing_file_is_named(adapter: Path, base: BaseModel, name: str) -> None:
    (adapter / name).unlink()
    assert refusal(adapter, base) == f"{name} is missing; publish the folder that PEFT's save_pretrained wrote"


def test_an_empty_folder_is_refused(tmp_path: Path, base: BaseModel) -> None:
    (tmp_path / "adapter").mkdir()
    assert refusal(tmp_path / "adapter", base).startswith("adapter_config.json is missing; ")


def test_preflight_changes_nothing(adapter: Path, base: BaseModel) -> None:
    before = {path.name: path.read_bytes() for path in adapter.iterdir()}
    preflight(adapter, base, 8)
    assert {path.name: path.read_bytes() for path in adapter.iterdir()} == before


def test_tensors_are_told_apart_by_module_and_not_by_order(tmp_path: Path, base: BaseModel) -> None:
    reordered = dict(sorted(good_tensors().items(), reverse=True))
    folder = write(tmp_path / "adapter", reordered, json.loads(json.dumps(good_config())))
    assert preflight(folder, base, 8).parameters == sum(int(np.size(array)) for array in reordered.values())
