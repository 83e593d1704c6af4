"""What training writes: a place is made sure of before the work, nothing stays after an error, no weights are lost."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from postil.registry.training.errors import OutFolderError
from postil.registry.training.files import check_out, workplace, write


class Model:
    """Saves files as PEFT's models do."""

    def named_parameters(self) -> list[Any]:
        return []

    def save_pretrained(self, folder: str, save_embedding_layers: bool) -> None:
        Path(folder).mkdir()
        Path(folder, "adapter_config.json").write_text(json.dumps({"target_modules": ["v_proj", "q_proj"]}))
        Path(folder, "adapter_model.safetensors").write_bytes(b"weights")


class Report:
    """Says what a report of training would."""

    def model_copy(self, update: dict[str, int]) -> Report:
        return self

    def model_dump_json(self, indent: int) -> str:
        return "{}"


def save(out: Path, scratch: Path) -> None:
    model: Any = Model()
    report: Any = Report()
    write(model, report, out, scratch, half=False)


def test_an_empty_folder_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    check_out(tmp_path / "out", overwrite=False)
    with workplace(tmp_path / "out", 10) as scratch:
        save(tmp_path / "out", scratch)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "training.json",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_earlier_result_is_replaced_where_that_is_wanted(tmp_path: Path) -> None:
    for _ in range(2):
        check_out(tmp_path / "out", overwrite=True)
        with workplace(tmp_path / "out", 10) as scratch:
            save(tmp_path / "out", scratch)
    with pytest.raises(OutFolderError, match="--overwrite"):
        check_out(tmp_path / "out", overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("made", ["file", "link"])
def test_what_is_no_folder_is_left_alone(tmp_path: Path, made: str) -> None:
    out = tmp_path / "out"
    out.touch() if made == "file" else out.symlink_to(tmp_path / "nowhere")
    for overwrite in (False, True):
        with pytest.raises(OutFolderError, match=r"exists|left alone"):
            check_out(out, overwrite)


def test_after_an_error_nothing_is_left_not_even_the_folders_above(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), workplace(tmp_path / "a" / "b" / "out", 10):
        raise KeyboardInterrupt
    assert [*tmp_path.iterdir()] == []


def test_a_folder_below_a_file_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutFolderError, match="a file is in the way"), workplace(tmp_path / "file/x", 1):
        pytest.fail("the work has begun")


def planted(out: Path) -> Path:
    """The folder in which work for ``out`` is done."""
    with workplace(out, 1) as folder:
        return folder


def test_a_link_in_the_place_of_the_work_is_refused_and_its_target_is_untouched(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    planted(tmp_path / "out").symlink_to(tmp_path / "precious")
    with (
        pytest.raises(OutFolderError, match=r"is not a folder of this user .*; delete it"),
        workplace(tmp_path / "out", 1),
    ):
        pytest.fail("the work has begun")
    assert [path.name for path in (tmp_path / "precious").iterdir()] == ["file"]


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_place_of_work_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    folder = planted(tmp_path / "out")
    folder.mkdir()
    folder.chmod(mode)
    (folder / "file").touch()
    with pytest.raises(OutFolderError, match="nobody else can write to"), workplace(tmp_path / "out", 1):
        pytest.fail("the work has begun")
    assert (folder / "file").exists()


def test_a_place_of_work_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(OutFolderError, match="is not a folder of this user"), workplace(tmp_path / "out", 1):
        pytest.fail("the work has begun")


def test_a_disk_without_room_for_the_weights_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=5 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with (
        pytest.raises(OutFolderError, match="has 5 MiB left, and the adapter needs 12"),
        workplace(tmp_path / "new" / "out", 8 << 20),
    ):
        pytest.fail("the work has begun")
    assert [*tmp_path.iterdir()] == []


def test_weights_that_cannot_be_written_are_saved_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "elsewhere"))
    with pytest.raises(OutFolderError, match=r"out cannot be written \(.*\); the adapter is saved in .*elsewhere"):
        save(tmp_path / "gone" / "out", tmp_path / "gone")
    (saved,) = (tmp_path / "elsewhere").glob("*/adapter")
    assert (saved / "adapter_model.safetensors").read_bytes() == b"weights"


def test_where_nothing_can_be_written_the_loss_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(OutFolderError, match="nor can the adapter be saved among the temporary files"):
        save(tmp_path / "gone" / "out", tmp_path / "gone")
