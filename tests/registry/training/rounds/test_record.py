"""A round's folder: a step is done once for the same inputs, and what was changed is done again."""

from __future__ import annotations

from pathlib import Path

import pytest

from postil.registry.training.errors import RoundError
from postil.registry.training.rounds.record import RECORD, Made, RoundFolder, digest_of, digest_of_values, held, short

NAME = "healthcare/triage"


class Maker:
    """Writes a file, and counts how often."""

    def __init__(self, path: Path, text: str = "rows") -> None:
        self.path = path
        self.text = text
        self.times = 0

    def __call__(self) -> Made:
        self.times += 1
        self.path.write_text(self.text, encoding="utf-8")
        return Made(self.path, {"rows": 3})


def test_a_step_is_done_once_and_known_to_the_next_process(tmp_path: Path) -> None:
    make = Maker(tmp_path / "export.jsonl")
    first = RoundFolder.read(tmp_path, NAME).do("export", {"adapter": NAME}, make)
    assert (first.kept, first.step.file, first.step.details) == (False, "export.jsonl", {"rows": 3})
    assert first.step.digest == digest_of(tmp_path / "export.jsonl")
    folder = RoundFolder.read(tmp_path, NAME)
    again = folder.do("export", {"adapter": NAME}, make)
    assert (again.kept, again.step, make.times) == (True, first.step, 1)
    assert folder.file("export") == tmp_path / "export.jsonl"


def test_a_step_is_done_again_for_other_inputs_and_where_its_result_is_changed_or_gone(tmp_path: Path) -> None:
    folder, make = RoundFolder.read(tmp_path, NAME), Maker(tmp_path / "export.jsonl")
    folder.do("export", {"adapter": NAME}, make)
    folder.do("merge", {}, Maker(tmp_path / "merge.jsonl"))
    assert not folder.do("export", {"adapter": NAME, "since": "2026"}, make).kept
    make.path.write_text("other rows", encoding="utf-8")
    assert not folder.do("export", {"adapter": NAME, "since": "2026"}, make).kept
    make.path.unlink()
    assert not folder.do("export", {"adapter": NAME, "since": "2026"}, make).kept
    assert make.times == 4
    assert sorted(step.name for step in folder.round.steps) == ["export", "merge"]


def test_a_step_that_fails_is_not_recorded(tmp_path: Path) -> None:
    def fail() -> Made:
        raise RoundError("no")

    folder = RoundFolder.read(tmp_path, NAME)
    with pytest.raises(RoundError, match="no"):
        folder.do("export", {}, fail)
    assert folder.find("export") is None
    with pytest.raises(KeyError):
        folder.step("export")


def test_a_forgotten_step_is_done_again(tmp_path: Path) -> None:
    folder, make = RoundFolder.read(tmp_path, NAME), Maker(tmp_path / "export.jsonl")
    folder.do("export", {}, make)
    folder.forget("export")
    assert RoundFolder.read(tmp_path, NAME).find("export") is not None, "nothing was written"
    folder.change(published="healthcare/triage@2")
    assert RoundFolder.read(tmp_path, NAME).find("export") is None


def test_the_folder_of_another_adapter_or_with_a_broken_record_is_refused(tmp_path: Path) -> None:
    RoundFolder.read(tmp_path, NAME).change()
    with pytest.raises(RoundError, match=f"is the round of {NAME}; name another folder with --round"):
        RoundFolder.read(tmp_path, "legal/clause")
    (tmp_path / RECORD).write_text('{"adapter": 3}', encoding="utf-8")
    with pytest.raises(RoundError, match="is no record of a round"):
        RoundFolder.read(tmp_path, NAME)


def test_one_process_at_a_time_is_at_a_round(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "round"
    with held(folder), pytest.raises(RoundError, match="another process is at the round"), held(folder):
        pass
    with held(folder):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(RoundError, match="cannot be made"), held(tmp_path / "file"):
        pass


def test_a_folder_has_the_digest_of_its_names_and_contents(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "file").write_text("text")
    assert digest_of(tmp_path / "a") == digest_of(tmp_path / "b")
    (tmp_path / "b" / "inner" / "file").rename(tmp_path / "b" / "inner" / "other")
    assert digest_of(tmp_path / "a") != digest_of(tmp_path / "b")
    assert digest_of_values({"a": 1, "b": 2}) == digest_of_values({"b": 2, "a": 1})
    assert short(digest_of_values([])) == digest_of_values([])[7:19]
