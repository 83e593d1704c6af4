"""What preflight learns of a good adapter, and the files that do or do not belong to one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from postil.registry.base_model.model import BaseModel, read_base
from postil.registry.errors import PreflightError
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
    "name", [None, "TINY/Base", "/home/ann/base", "./base/model", "../base", "base", "models/base/4", 7]
)
def test_a_name_of_the_base_that_says_nothing_is_taken(tmp_path: Path, base: BaseModel, name: object) -> None:
    folder = write(tmp_path / "adapter", good_tensors(), {**good_config(), "base_model_name_or_path": name})
    assert preflight(folder, base, 8).rank == 2


def test_a_hub_id_says_nothing_where_the_base_is_a_folder(tmp_path: Path, base: BaseModel) -> None:
    folder = write(tmp_path / "adapter", good_tensors(), {**good_config(), "base_model_name_or_path": "some/other"})
    local = read_base(base.path, "base")
    assert preflight(folder, local, 8).rank == 2


@pytest.mark.parametrize(
    "name",
    ["README.md", "tokenizer.json", "added_tokens.json", "vocab.txt", "chat_template.jinja", "policy.yaml", "A.JSON"],
)
def test_files_that_come_with_an_adapter_are_taken(adapter: Path, base: BaseModel, name: str) -> None:
    (adapter / name).write_text("x")
    assert preflight(adapter, base, 8).rank == 2


@pytest.mark.parametrize(
    "name",
    ["adapter_model.bin", "training_args.bin", "x.pt", "x.pth", "x.pkl", "x.pickle", "x.ckpt", "X.BIN", "optimizer.Pt"],
)
def test_a_pickle_is_refused(adapter: Path, refusal: Refusal, name: str) -> None:
    (adapter / name).write_bytes(b"\x80\x04N.")
    assert refusal(adapter) == (
        f"{name} is a pickle, which can run code when it is loaded, and weights are read from {WEIGHTS} only;"
        " save them there, and remove it"
    )


@pytest.mark.parametrize(
    "name",
    [".DS_Store", ".gitattributes", ".hidden.json", ".json", "modeling.py", "run.sh", "lib.so", "noending", "x.gguf",
     "x.h5", "x.tar.gz", "x.py.", "x.npy"],
)  # fmt: skip
def test_a_file_that_does_not_belong_is_refused(adapter: Path, refusal: Refusal, name: str) -> None:
    (adapter / name).write_text("x")
    assert refusal(adapter) == (
        f"{name} does not belong to an adapter, and only .jinja, .json, .md, .safetensors, .txt, .yaml do; remove it"
    )


@pytest.mark.parametrize("name", ["adapter_model-2.safetensors", "ADAPTER_MODEL.SAFETENSORS"])
def test_a_second_weights_file_is_refused(adapter: Path, refusal: Refusal, name: str) -> None:
    (adapter / name).write_bytes((adapter / WEIGHTS).read_bytes())
    assert refusal(adapter).startswith(f"{name} is not {WEIGHTS}, ")


def test_a_name_of_a_file_cannot_break_the_sentence(adapter: Path, refusal: Refusal) -> None:
    (adapter / "a\nb.py").write_text("x")
    (adapter / f"{'c' * 200}.py").write_text("x")
    assert refusal(adapter).startswith("'a\\nb.py' does not belong to an adapter, ")
    (adapter / "a\nb.py").unlink()
    assert len(refusal(adapter)) < 300


def test_an_empty_folder_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty").startswith("adapter_config.json is missing, ")


@pytest.mark.parametrize(
    "tokens", [b"{", b"7", b'{"<a>": "x"}', b'{"<a>": 40}', b'{"<a>": 1, "<a>": 2}', b"[" * 99_999, b" " * (2 << 20)]
)
def test_tokens_that_the_base_does_not_have_are_refused(tmp_path: Path, tokens: bytes) -> None:
    folder = Draft(write_llama(tmp_path / "llama")).write(tmp_path / "adapter")
    (folder / "added_tokens.json").write_bytes(tokens)
    with pytest.raises(PreflightError, match=r"^added_tokens\.json (adds '<a>' to the|is not what a tokenizer writes)"):
        preflight(folder, read_base(tmp_path / "llama", "tiny/llama"), 16)


def test_preflight_changes_nothing(adapter: Path, base: BaseModel) -> None:
    before: Mapping[str, bytes] = {path.name: path.read_bytes() for path in adapter.iterdir()}
    preflight(adapter, base, 8)
    assert {path.name: path.read_bytes() for path in adapter.iterdir()} == before


def test_tensors_are_told_apart_by_module_and_not_by_order(tmp_path: Path, base: BaseModel) -> None:
    reordered = dict(sorted(good_tensors().items(), reverse=True))
    folder = write(tmp_path / "adapter", reordered, good_config())
    assert preflight(folder, base, 8).parameters == sum(int(np.size(array)) for array in reordered.values())
