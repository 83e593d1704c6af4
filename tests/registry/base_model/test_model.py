from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from postil.registry.base_model.model import read_base
from postil.registry.errors import BaseModelError
from tests.fakes.adapters import BASE_ID, MODULES, write_base

CACHE = ".postil-revision.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The tiny base model's folder."""
    return write_base(tmp_path / "base")


def revision(folder: Path) -> str:
    """The revision that is worked out for a folder."""
    return read_base(folder, BASE_ID).revision


def keep_times(path: Path, content: bytes) -> None:
    """Other bytes of the same number, under the same time: what only a hash can see."""
    state = path.stat()
    assert len(content) == state.st_size
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_the_shapes_of_linear_modules_are_read(folder: Path) -> None:
    base = read_base(folder, BASE_ID)
    assert (base.id, base.path, dict(base.modules)) == (BASE_ID, folder, MODULES)


def test_what_is_not_a_matrix_carries_no_lora(folder: Path) -> None:
    save_file(
        {
            "model.norm.weight": np.ones(8, "f4"),
            "model.conv.weight": np.ones((2, 2, 2), "f4"),
            "model.q_proj.bias": np.ones((8, 1), "f4"),
            "model.q_proj.weight": np.ones((8, 4), "f4"),
        },
        folder / "model.safetensors",
    )
    assert read_base(folder, BASE_ID).modules == {"model.q_proj": (8, 4)}


def test_weights_in_many_files_are_read_as_one(folder: Path) -> None:
    save_file({"lm_head.weight": np.zeros((16, 8), "f4")}, folder / "model-00002-of-00002.safetensors")
    assert read_base(folder, BASE_ID).modules == {**MODULES, "lm_head": (16, 8)}


def test_a_known_revision_is_kept_and_nothing_is_written(folder: Path) -> None:
    before = sorted(folder.iterdir())
    assert read_base(folder, BASE_ID, revision="c0ffee").revision == "c0ffee"
    assert sorted(folder.iterdir()) == before


def test_the_revision_is_that_of_the_same_files_elsewhere(folder: Path, tmp_path: Path) -> None:
    assert revision(folder).startswith("sha256:")
    assert len(revision(folder)) == 71
    assert revision(folder) == revision(write_base(tmp_path / "other"))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_the_revision_changes_with_weights_and_configuration(folder: Path, name: str) -> None:
    before = revision(folder)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content.replace(b"Llama", b"Gemma") if name == "config.json" else content[:-1] + b"\1")
    assert revision(folder) != before


def test_the_revision_changes_with_a_further_file_of_weights(folder: Path) -> None:
    before = revision(folder)
    save_file({"lm_head.weight": np.zeros((16, 8), "f4")}, folder / "more.safetensors")
    assert revision(folder) != before


def test_weights_that_stand_are_not_hashed_again(folder: Path) -> None:
    before = revision(folder)
    content = (folder / "model.safetensors").read_bytes()
    keep_times(folder / "model.safetensors", content[:-1] + b"\1")
    assert revision(folder) == before
    os.utime(folder / "model.safetensors", (1, 1))
    assert revision(folder) != before


@pytest.mark.parametrize("cache", ["", "{", "[]", "{}", '{"files": []}', '{"files": [], "revision": "x"}', "\udcff"])
def test_a_broken_cache_is_not_believed(folder: Path, cache: str) -> None:
    before = revision(folder)
    (folder / CACHE).write_bytes(cache.encode(errors="surrogateescape"))
    assert revision(folder) == before
    assert json.loads((folder / CACHE).read_text())["revision"] == before


def test_a_folder_that_cannot_be_written_is_read_all_the_same(folder: Path) -> None:
    (folder / CACHE).mkdir()
    assert revision(folder).startswith("sha256:")


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_folder_that_is_no_model_is_refused(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(BaseModelError) as caught:
        read_base(folder, BASE_ID)
    assert str(caught.value) == (
        f"{folder} holds no config.json with *.safetensors; give a Hugging Face id or a folder with both"
    )


@pytest.mark.parametrize("content", [b"", b"\xff" * 99])
def test_weights_that_cannot_be_read_are_named(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(BaseModelError, match=r"^model\.safetensors of the base model cannot be read: "):
        read_base(folder, BASE_ID)


def test_weights_that_were_not_fetched_are_called_a_pointer(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 7\n")
    with pytest.raises(BaseModelError, match="is a Git LFS pointer; run `git lfs pull` in its clone"):
        read_base(folder, "x")
