"""Which rows a router learns from, and which it never sees."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from postil.registry.errors import DatasetError
from postil.registry.training.data.held_out import marked
from postil.registry.training.data.similar import key
from postil.registry.training.router.rows import LEAST, RouterRow, read_data
from tests.registry.training.data.files import labelled, write
from tests.registry.training.router.files import mixed, named, texts


def test_files_are_named_by_their_model_and_split_by_it(tmp_path: Path) -> None:
    found = read_data(named(tmp_path), (), None, 0)
    parts = (found.train, found.calibration, found.held_out)
    assert Counter(row.model for part in parts for row in part) == {"finance": 60, "legal": 60, None: 60}
    for part, least in zip(parts, (40, 6, 6), strict=True):
        counts = Counter(row.model for row in part)
        assert min(counts["finance"], counts["legal"], counts[None]) >= least
    assert [(file.model, file.rows, file.file) for file in found.files] == [
        ("finance", 60, "finance-0.jsonl"),
        ("legal", 60, "legal-0.jsonl"),
        ("none", 60, "none-0.jsonl"),
    ]
    assert all(file.digest.startswith("sha256:") for file in found.files)


def test_the_same_seed_gives_the_same_parts_and_another_one_others(tmp_path: Path) -> None:
    files = named(tmp_path)
    assert read_data(files, (), None, 0) == read_data(files, (), None, 0)
    assert read_data(files, (), None, 0) != read_data(files, (), None, 1)


def test_labels_may_name_the_models_and_the_rejects_are_for_none(tmp_path: Path) -> None:
    for reject in (None, "needs_review"):
        path = mixed(tmp_path / f"{reject}.jsonl", reject=reject or "none")
        found = read_data([str(path)], (), reject, 0)
        assert {row.model for row in found.train} == {"finance", "legal", None}
        assert [file.model for file in found.files] == [None]


def test_rejects_of_an_adapter_are_left_out_of_its_models_rows(tmp_path: Path) -> None:
    [finance] = named(tmp_path, models=("finance",))
    rows = [labelled(text, "needs_review" if at % 2 else "notice") for at, text in enumerate(texts("legal", 60, 7))]
    path = write(tmp_path / "labelled.jsonl", *rows)
    found = read_data([finance, f"legal={path}"], (), "needs_review", 0)
    assert sum(row.model == "legal" for part in (found.train, found.calibration, found.held_out) for row in part) == 30


def test_near_rows_stay_in_one_part(tmp_path: Path) -> None:
    base = texts("finance", 40)
    path = write(tmp_path / "twice.jsonl", *({"text": f"{text}{end}"} for text in base for end in ("", "!", " ?")))
    found = read_data([f"finance={path}", *named(tmp_path, models=("legal",))], (), None, 0)
    where = [{key(row.text).rstrip("!?") for row in part} for part in (found.train, found.calibration, found.held_out)]
    assert not (where[0] & where[1])
    assert not (where[0] & where[2])
    assert not (where[1] & where[2])


def test_rows_near_to_held_out_ones_are_not_learned_from(tmp_path: Path) -> None:
    leaked = texts("finance", 60)[:20]
    kept = write(tmp_path / "kept.jsonl", *(marked({"text": text}) for text in leaked))
    found = read_data(named(tmp_path), [f"finance={kept}"], None, 0)
    assert found.held_out == tuple(RouterRow(text, "finance") for text in leaked)
    assert not {row.text for row in (*found.train, *found.calibration)} & set(leaked)


@pytest.mark.parametrize("more", [("",), ("a=b=",), ("Legal!=",)])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, more: tuple[str]) -> None:
    with pytest.raises(DatasetError, match="nothing"):
        read_data([f"{more[0]}{tmp_path / 'nothing'}"], (), None, 0)


def test_rows_that_are_held_out_are_not_learned_from(tmp_path: Path) -> None:
    path = write(tmp_path / "kept.jsonl", *(marked({"text": text}) for text in texts("legal", 30)))
    with pytest.raises(DatasetError, match=r"held out; measure with it: pass it as --held-out"):
        read_data([*named(tmp_path), f"legal={path}"], (), None, 0)


def test_all_rows_without_a_model_are_named(tmp_path: Path) -> None:
    rows = [labelled("a", "legal"), labelled("b", "No Model"), {"instruction": "c", "output": "text"}]
    path = write(tmp_path / "rows.jsonl", *rows)
    with pytest.raises(DatasetError) as caught:
        read_data([str(path)], (), None, 0)
    assert "line 2: 'No Model' is no model; write a domain, an adapter or none" in str(caught.value)
    assert "(1 more;" in str(caught.value)


def test_too_few_rows_or_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="all rows are for one model; name two models or more, or texts of none"):
        read_data(named(tmp_path, models=("legal",)), (), None, 0)
    with pytest.raises(DatasetError, match=rf"none has \d+ texts .* that differ, and {LEAST} are the least"):
        read_data(named(tmp_path, count=15, models=("legal", "none")), (), None, 0)
    rows = [labelled(text, f"model-{at}") for at, text in enumerate(texts("legal", 70))]
    with pytest.raises(DatasetError, match="the rows are for 70 models, and 64 are the most"):
        read_data([str(write(tmp_path / "many.jsonl", *rows))], (), None, 0)
