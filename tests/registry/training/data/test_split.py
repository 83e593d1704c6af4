"""Every row lands once, what is nearly the same stays together, and each label has its share of every part."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postil.registry.errors import DatasetError
from postil.registry.training.data.check import check
from postil.registry.training.data.reading import read_rows
from postil.registry.training.data.split import PARTS, SHARES, SplitReport, assign, split
from tests.registry.training.data.files import labelled, messages, write, write_labelled

GROUPS = st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc")), min_size=1, max_size=150)
SOME_SHARES = st.tuples(st.integers(1, 90), *[st.integers(0, 50)] * 3)


@given(GROUPS, SOME_SHARES, st.integers(0, 5))
def test_every_row_lands_once_and_no_group_in_two_parts(
    rows: list[tuple[int, str]], shares: tuple[int, ...], seed: int
) -> None:
    grouped = [group for group, _ in rows]
    where = assign(grouped, [label for _, label in rows], shares, seed)
    assert set(where) <= {name for name, share in zip(PARTS, shares, strict=True) if share}
    assert all(len({where[at] for at, other in enumerate(grouped) if other == group}) == 1 for group in set(grouped))


@given(GROUPS, SOME_SHARES, st.integers(0, 5))
def test_each_part_has_its_share_of_each_label_to_within_three_times_the_largest_group(
    rows: list[tuple[int, str]], shares: tuple[int, ...], seed: int
) -> None:
    grouped = [3 * group + "abc".index(label) for group, label in rows]  # Each group has one label.
    where = assign(grouped, [label for _, label in rows], shares, seed)
    largest = max(Counter(grouped).values())
    for label in "abc":
        total = sum(own == label for _, own in rows)
        for part, share in zip(PARTS, shares, strict=True):
            has = sum(own == label and where[at] == part for at, (_, own) in enumerate(rows))
            assert abs(has - total * share / sum(shares)) <= 3 * largest


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 60), st.integers(0, 3))
def test_all_rows_are_in_the_files_and_near_ones_in_one(
    tmp_path_factory: pytest.TempPathFactory, count: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("split")
    rows = messages(count)
    rows += [(text + " yes", label) for text, label in rows[::3]]
    path = write_labelled(folder / "all.jsonl", rows)
    report = split(path, folder / "out", seed=seed)
    found = {part.name: read(folder / "out" / part.file) for part in report.parts}
    assert sorted(text for texts in found.values() for text in texts) == sorted(text for text, _ in rows)
    for text, _ in rows[::3]:
        assert sum(text in texts or text + " yes" in texts for texts in found.values()) == 1


def read(path: Path) -> list[str]:
    return [json.loads(line)["input"] for line in path.read_text(encoding="utf-8").splitlines()]


def made(tmp_path: Path, seed: int = 0, *, overwrite: bool = False) -> SplitReport:
    path = write_labelled(tmp_path / "all.jsonl", messages(200))
    return split(path, tmp_path / "out", seed=seed, overwrite=overwrite)


def test_the_report_says_the_counts_and_the_digests(tmp_path: Path) -> None:
    report = made(tmp_path)
    assert [(part.name, part.rows) for part in report.parts] == [
        ("train", 140),
        ("validation", 20),
        ("calibration", 20),
        ("held-out", 20),
    ]
    assert report.parts[1].labels == {"billing": 10, "symptoms": 10}
    assert (report.groups, report.largest_group, report.shares) == (200, 1, SHARES)
    for part in report.parts:
        assert read_rows(tmp_path / "out" / part.file).digest == part.digest
    assert SplitReport.model_validate_json((tmp_path / "out" / "split.json").read_text()) == report


def test_equal_seeds_give_equal_parts_and_others_give_others(tmp_path: Path) -> None:
    first, same, other = made(tmp_path), made(tmp_path, overwrite=True), made(tmp_path, seed=1, overwrite=True)
    assert first == same
    assert first.parts[0].digest != other.parts[0].digest


def test_nothing_is_written_over_unless_it_is_said(tmp_path: Path) -> None:
    made(tmp_path)
    with pytest.raises(DatasetError, match=r"split.json exists; name another place or pass --overwrite"):
        made(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be written"):
        split(tmp_path / "all.jsonl", tmp_path / "file")


def test_parts_are_files_of_this_user_alone(tmp_path: Path) -> None:
    made(tmp_path)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o600}


def test_held_out_rows_are_known_by_themselves_and_not_split_again_or_learned_from(tmp_path: Path) -> None:
    made(tmp_path)
    moved = (tmp_path / "out" / "held-out.jsonl").rename(tmp_path / "data.jsonl")
    with pytest.raises(DatasetError, match="has rows that are held out"):
        split(moved, tmp_path / "again")
    report = check(moved)
    assert [(one.check, one.count) for one in report.findings if one.level == "error"] == [("leak", 20)]
    assert check(tmp_path / "out" / "train.jsonl", [moved]).errors == 0


def test_other_kinds_are_split_by_share_alone_and_csv_becomes_json_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text", *(text for text, _ in messages(10)))
    report = split(path, tmp_path / "out", shares=(80, 0, 0, 20))
    assert [(part.file, part.rows, part.labels) for part in report.parts] == [
        ("train.jsonl", 8, {}),
        ("held-out.jsonl", 2, {}),
    ]
    assert not (tmp_path / "out" / "validation.jsonl").exists()
    assert read_rows(tmp_path / "out" / "train.jsonl").kind == "text"


@pytest.mark.parametrize("shares", [(70, 30), (0, 10, 10, 10), (70, -1, 0, 0), (70, float("nan"), 0, 0)])
def test_shares_that_cannot_be_are_refused(tmp_path: Path, shares: tuple[float, ...]) -> None:
    with pytest.raises(DatasetError, match="the shares have to be 4 numbers"):
        split(tmp_path / "a.jsonl", tmp_path / "out", shares=shares)


def test_a_message_with_odd_line_ends_comes_back_as_it_was(tmp_path: Path) -> None:
    odd = labelled("knee\u2028hurts", "symptoms", note="half \ud83d")
    split(write(tmp_path / "a.jsonl", odd), tmp_path / "out")
    [row] = read_rows(tmp_path / "out" / "train.jsonl").rows
    assert row.raw == odd
