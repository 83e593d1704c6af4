"""What preflight learns of a good adapter, and the files that do or do not belong to one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from postil.registry.base_model.model import BaseModel, read_base
from postil.registry.preflight.preflight import preflight
from tests.fakes.adapter_draft import Draft, write_llama
from tests.fakes.adapters import write_adapter
from tests.registry.conftest import Refusal
from tests.registry.preflight.bad_adapters import WEIGHTS, good_config, good_tensors, write


def test_a_good_adapter_is_described(adapter: Path, base: BaseModel) -> None:
    info = preflight(adapter, base, 8)
    assert (info.rank, info.targets, info.parameters) == (2, ("q_proj", "v_proj"), 2 * (8 + 8) + 2 * (8 + 4))


@pytest.mark.parametrize("rank", [1, 8])
def test_any_rank_up_to_the_largest_is_good(tmp_path: Path, base: BaseModel, rank: int) -> None:
    folder = write(tmp_path / "adapter", good_tensors(rank), good_config(rank))
    assert preflight(folder, base, 8).rank == rank


def test_the_rank_of_an_adapter_is_the_largest_of_its_modules(tmp_path: Path) -> None:
    base = write_llama(tmp_path / "base")
    draft = Draft(base)
    draft.add("model.layers.1.self_attn.v_proj", rank=7)
    draft.config["rank_pattern"] = {"layers.1.self_attn.v_proj": 7, "up_proj": 9}
    assert preflight(draft.write(tmp_path / "adapter"), base, 16).rank == 7


def test_the_adapter_that_other_tests_use_is_good(tmp_path: Path, base: BaseModel) -> None:
    assert preflight(write_adapter(tmp_path / "adapter", rank=4), base, 8).rank == 4


@pytest.mark.parametrize(
    "name",
    [None, "TINY/Base", "/home/ann/base", "./base/model", "../base", "base", "models/base/4", 7, "models/base",
     "unsloth/Base-bnb-4bit", "unsloth/base-unsloth-bnb-4bit", "acme/base-GPTQ-Int4", "acme/base-AWQ", "acme/Base_FP8",
     "acme/base-quantized.w4a16", "acme/base.Q4_K_M", "tiny/base@main", "unsloth/base-bnb-4bit@refs/pr/1"],
)  # fmt: skip
def test_a_name_of_the_base_that_may_be_this_one_is_taken(tmp_path: Path, base: BaseModel, name: object) -> None:
    folder = write(tmp_path / "adapter", good_tensors(), {**good_config(), "base_model_name_or_path": name})
    assert preflight(folder, base, 8).other_base is None


@pytest.mark.parametrize("name", ["tiny/base-v2", "tiny/base-4bit-v2", "tiny/bases", "other/base-7b", "tiny/4bit"])
def test_another_base_is_refused_unless_the_publisher_says_that_it_is_the_same(
    tmp_path: Path, base: BaseModel, refusal: Refusal, name: str
) -> None:
    folder = write(tmp_path / "adapter", good_tensors(), {**good_config(), "base_model_name_or_path": name})
    assert refusal(folder) == (
        f"the adapter was trained for {name}, and this gateway serves tiny/base; train it on tiny/base, or publish it"
        " with --base-ok if that is the same model under another name"
    )
    assert preflight(folder, base, 8, base_ok=True).other_base == name


def test_a_hub_id_says_nothing_where_the_base_is_a_folder(tmp_path: Path, base: BaseModel) -> None:
    folder = write(tmp_path / "adapter", good_tensors(), {**good_config(), "base_model_name_or_path": "some/other"})
    local = read_base(base.path, "base")
    assert preflight(folder, local, 8).rank == 2


@pytest.mark.parametrize(
    "name",
    ["README.md", "vocab.txt", "chat_template.jinja", "policy.yaml", "A.JSON", "training_args.bin", "optimizer.pt",
     ".gitattributes", "modeling.py", "x.gguf", "noending", "a\nb.py", "adapter_model-2.safetensors", "loss.png"],
)  # fmt: skip
def test_files_beside_an_adapter_are_passed_over(adapter: Path, base: BaseModel, name: str) -> None:
    (adapter / name).write_text("x")
    (adapter / "runs").mkdir()
    (adapter / "latest").symlink_to(adapter / "nowhere")
    assert preflight(adapter, base, 8).rank == 2


@pytest.mark.parametrize("suffix", [".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"])
def test_weights_that_are_only_a_pickle_are_refused(adapter: Path, refusal: Refusal, suffix: str) -> None:
    (adapter / WEIGHTS).rename(adapter / f"adapter_model{suffix}")
    assert refusal(adapter) == (
        f"adapter_model{suffix} is a pickle, which can run code when it is loaded, and weights are read from {WEIGHTS}"
        " only; save them there"
    )


@pytest.mark.parametrize("name", ["adapter_config.json", WEIGHTS, "training.json", "tokenizer.json"])
def test_a_git_lfs_pointer_is_called_one(adapter: Path, refusal: Refusal, name: str) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 712\n"
    (adapter / name).write_text(pointer)
    assert refusal(adapter) == (
        f"{name} is a Git LFS pointer, and what it stands for was not fetched; run `git lfs pull`"
    )


@pytest.mark.parametrize("name", [WEIGHTS, "tokenizer.json"])
def test_what_is_read_has_to_be_a_file_of_its_own(adapter: Path, refusal: Refusal, name: str) -> None:
    (adapter / name).unlink(missing_ok=True)
    (adapter / name).symlink_to("/etc/passwd")
    assert refusal(adapter) == f"{name} is a symbolic link, and an adapter is one flat folder of files; " + (
        "replace or remove it"
    )
    (adapter / name).unlink()
    (adapter / name).mkdir()
    assert refusal(adapter).startswith(f"{name} is not a file, ")


def test_an_empty_folder_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty").startswith("adapter_config.json is missing, ")


def test_preflight_changes_nothing(adapter: Path, base: BaseModel) -> None:
    before: Mapping[str, bytes] = {path.name: path.read_bytes() for path in adapter.iterdir()}
    preflight(adapter, base, 8)
    assert {path.name: path.read_bytes() for path in adapter.iterdir()} == before


def test_tensors_are_told_apart_by_module_and_not_by_order(tmp_path: Path, base: BaseModel) -> None:
    reordered = dict(sorted(good_tensors().items(), reverse=True))
    folder = write(tmp_path / "adapter", reordered, good_config())
    assert preflight(folder, base, 8).parameters == sum(int(np.size(array)) for array in reordered.values())


def test_a_configuration_with_a_byte_order_mark_is_read(tmp_path: Path, base: BaseModel) -> None:
    folder = write(tmp_path / "adapter", good_tensors(), good_config())
    config = folder / "adapter_config.json"
    config.write_bytes(b"\xef\xbb\xbf" + config.read_bytes())
    assert preflight(folder, base, 8).rank == 2
