"""Whether a new adapter is good enough to be published, by what it was asked to show."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.rounds.asked import Asked, Files, Need
from postil.gateway.cli.rounds.learning import check_better, check_options, comparison
from postil.gateway.cli.rounds.live import LiveRelease
from postil.gateway.cli.rounds.work import Work
from postil.registry.names import parse_adapter
from postil.registry.training.compare_adapters import AdapterComparison, Margins, compared_answers
from postil.registry.training.dataset import Dataset, Example
from postil.registry.training.errors import RoundError
from postil.registry.training.report import Judged
from postil.registry.training.rounds.record import Made, RoundFolder

NAME = parse_adapter("healthcare/triage")
NEEDS: list[Need] = ["higher", "significant", "not-worse"]


def judged(right: bool) -> Judged:
    return Judged(Example("", "m", "symptoms", 1), "symptoms" if right else "billing", 0.9, 0.1)


def compared(only_live: int, only_new: int, both: int) -> AdapterComparison:
    """A comparison of so many rows that only the live release, only the new adapter and both answer right."""
    rows = Dataset(Path("rows.jsonl"), (), "category", ("symptoms",), "sha256:0")
    before = [judged(True)] * only_live + [judged(False)] * only_new + [judged(True)] * both
    after = [judged(False)] * only_live + [judged(True)] * only_new + [judged(True)] * both
    names = ("healthcare/triage@1", "the new adapter")
    return compared_answers(names, rows, "base", before, after, None, Margins())


def work_with(folder: Path, found: AdapterComparison | None, asked: Asked | None = None) -> Work:
    """A round that was compared so; with nothing where nothing is live."""
    made = Work(
        asked or Asked(NAME, folder, Files()),
        RoundFolder.read(folder, str(NAME)),
        None if found is None else LiveRelease(NAME, 1, {"artifact": "sha256:0", "method": None}),
    )
    if found is not None:
        text = found.model_dump_json()
        made.folder.do("compare", {}, lambda: Made(made.write("comparison", text, ".json")))
    return made


def shows(made: Work, need: Need) -> bool:
    """Whether the new adapter shows what is asked for."""
    made.asked = replace(made.asked, need=need)
    try:
        check_better(made)
    except RoundError:
        return False
    return True


@pytest.mark.parametrize(
    ("counts", "enough"),
    [
        ((9, 27, 264), ["higher", "significant", "not-worse"]),
        ((3, 5, 292), ["higher"]),
        ((1, 2, 2000), ["higher", "not-worse"]),
        ((2, 2, 2000), ["not-worse"]),
        ((5, 3, 292), []),
    ],
)
def test_each_need_asks_for_its_own(tmp_path: Path, counts: tuple[int, int, int], enough: list[str]) -> None:
    made = work_with(tmp_path, compared(*counts))
    assert [need for need in NEEDS if shows(made, need)] == enough


def test_what_is_missing_is_said_with_the_figures(tmp_path: Path) -> None:
    made = work_with(tmp_path, compared(5, 3, 292))
    with pytest.raises(RoundError) as caught:
        check_better(made)
    assert str(caught.value) == (
        "it is not published, because the new adapter is not better than healthcare/triage@1: of 300 held-out rows it"
        " answers 295 right and healthcare/triage@1 297 (McNemar p = 0.73); decide more reviews and add --fresh, or"
        " publish it with --publish-anyway"
    )
    made.asked = replace(made.asked, publish_anyway=True)
    check_better(made)


def test_where_nothing_is_live_there_is_nothing_to_be_better_than(tmp_path: Path) -> None:
    made = work_with(tmp_path, None)
    assert comparison(made) is None
    check_better(made)


def test_the_options_are_those_of_the_live_release_and_of_a_file_above_them(tmp_path: Path) -> None:
    made = work_with(tmp_path, None)
    config = tmp_path / "train.yaml"
    made.asked = replace(made.asked, files=Files(config=(config,)))
    for method in ("dpo", "sft"):
        options = {"method": method, "rank": 4, "first_layer": 2, "targets": ["q_proj"], "unheard": 3}
        made.live = LiveRelease(NAME, 1, {"artifact": "a", "method": {"options": options}})
        config.write_text(json.dumps({"epochs": 2, "method": "classify"}), encoding="utf-8")
        check_options(made)
    config.write_text(json.dumps({"epochs": 2}), encoding="utf-8")
    check_options(made)
    config.write_text(json.dumps({"epoch": 2}), encoding="utf-8")
    with pytest.raises(CommandError, match="`epoch` is no option of training"):
        check_options(made)
