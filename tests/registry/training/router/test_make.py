"""A router is made from rows: the file, the threshold, and figures on rows that it did not learn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from postil.plugins.recognition.router_model import RouterModel, read_router
from postil.registry.errors import DatasetError
from postil.registry.training.router.fit import LEAST_THRESHOLD
from postil.registry.training.router.make import Wanted, make_router
from postil.registry.training.router.report import RouterReport
from tests.registry.training.router.files import named, texts

WORDS = {"finance": ["card", "loan"], "legal": ["lease"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RouterReport]:
    """A router for two models, and what is said of it."""
    folder = tmp_path_factory.mktemp("router")
    out = folder / "router.json"
    return out, make_router(named(folder, 120), named(folder, 40, seed=1), out, Wanted(error=0.02), WORDS)


def test_texts_that_it_never_saw_go_to_their_model(made: tuple[Path, RouterReport]) -> None:
    model = read_router(made[0])
    assert model.file.models == ("finance", "legal", None)
    for name in ("finance", "legal"):
        sent = [model.choose(text) for text in texts(name, 40, seed=2)]
        assert sum(one.sure and one.model == name for one in sent) >= 36
    assert sum(model.choose(text).sure for text in texts("none", 40, seed=2)) <= 4


def test_the_report_counts_what_the_file_chooses(made: tuple[Path, RouterReport]) -> None:
    out, report = made
    model, figures = read_router(out), report.figures
    right = {name: _right(model, name) for name in ("finance", "legal", "none")}
    assert {one.model: one.right for one in figures.models} == right
    assert (figures.rows, figures.right) == (120, sum(right.values()))
    assert (
        figures.abstained + sum(one.sent.get("finance", 0) + one.sent.get("legal", 0) for one in figures.models) == 120
    )
    low, high = figures.interval
    assert low < figures.accuracy <= high
    assert report.digest == model.file.digest
    assert report.bytes == out.stat().st_size
    assert 200 < report.learned < 360
    assert 0 < report.microseconds < report.microseconds_longest


def _right(model: RouterModel, name: str) -> int:
    choices = [model.choose(text) for text in texts(name, 40, seed=1)]
    return sum(one.model == name if one.sure else name == "none" for one in choices)


def test_keywords_are_measured_on_the_same_rows(made: tuple[Path, RouterReport]) -> None:
    beside = made[1].keywords
    assert beside is not None
    assert beside.keywords.rows == made[1].figures.rows
    assert beside.difference == pytest.approx(made[1].figures.accuracy - beside.keywords.accuracy)
    assert beside.only_router > beside.only_keywords
    assert beside.p < 0.001
    assert beside.interval[0] < beside.difference < beside.interval[1]


def test_the_threshold_holds_a_promise_or_is_cautious(made: tuple[Path, RouterReport], tmp_path: Path) -> None:
    # Of some 36 calibration rows nobody can tell that at most one in fifty goes wrong.
    threshold = made[1].threshold
    assert (threshold.promised, threshold.threshold) == (False, 0.8)
    out = tmp_path / "router.json"
    report = make_router(named(tmp_path, 120), (), out, Wanted(error=0.2, confidence=0.9))
    assert report.threshold.promised
    assert LEAST_THRESHOLD <= report.threshold.threshold == read_router(out).file.threshold
    assert report.threshold.bound <= 0.2
    assert report.keywords is None


def test_the_same_rows_give_the_same_file(made: tuple[Path, RouterReport], tmp_path: Path) -> None:
    make_router(named(tmp_path, 120), named(tmp_path, 40, seed=1), tmp_path / "router.json", Wanted(error=0.02))
    assert (tmp_path / "router.json").read_bytes() == made[0].read_bytes()


def test_two_models_without_texts_of_none_are_enough(tmp_path: Path) -> None:
    out = tmp_path / "router.json"
    make_router(named(tmp_path, 60, ("finance", "legal")), (), out, Wanted())
    model = read_router(out)
    assert model.file.models == ("finance", "legal")
    for name in ("finance", "legal"):
        assert [model.choose(text).model for text in texts(name, 20, seed=3)].count(name) >= 18


def test_a_file_is_not_replaced_unless_it_may_be(made: tuple[Path, RouterReport], tmp_path: Path) -> None:
    out = tmp_path / "router.json"
    out.write_text("mine")
    with pytest.raises(DatasetError, match="exists; name another place or pass --overwrite"):
        make_router(named(tmp_path), (), out, Wanted())
    assert out.read_text() == "mine"
    make_router(named(tmp_path), (), out, Wanted(), overwrite=True)
    read_router(out)


def test_words_that_are_none_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    out = tmp_path / "router.json"
    with pytest.raises(DatasetError, match="the words are none for the router: keywords: words"):
        make_router(named(tmp_path), (), out, Wanted(), words={"legal": []})
    assert not out.exists()


def test_no_library_is_imported_before_something_is_trained() -> None:
    ask = "import sys, postil.registry.training.router.make; print('sklearn' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n", done.stderr
