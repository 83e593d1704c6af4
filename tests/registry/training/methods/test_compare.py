"""Ways of tuning side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postil.registry.errors import DatasetError
from postil.registry.training.errors import MethodError
from postil.registry.training.methods.compare import Comparison, check_files, compare
from postil.registry.training.methods.one import Order, main
from postil.registry.training.methods.options import MethodOptions
from tests.fakes.adapters import write_base
from tests.registry.training.methods.conftest import Write


def options(base: Path, data: tuple[Path, Path], **changes: Any) -> MethodOptions:
    values = {"data": data[0], "validation": data[1], "base": base, "base_id": "example/tiny", "out": Path()}
    return MethodOptions.model_validate({**values, "max_steps": 2, "eval_steps": 2, **changes})


@pytest.mark.tune
def test_each_way_has_its_figures_and_says_how_it_is_served(tiny_base: Path, data: tuple[Path, Path]) -> None:
    told = list[str]()
    found = compare(options(tiny_base, data), 16, 8, ("full", "bitfit"), told.append)
    assert told == ["1 of 2: full", "2 of 2: bitfit"]
    full, bitfit = found.kinds
    assert (full.serving, bitfit.serving) == ("converted", "refused")
    assert found.base is not None
    assert found.base.rows == 8
    for kind in found.kinds:
        assert kind.failed is None
        assert kind.loss is not None
        assert kind.loss < found.base.loss
        assert kind.interval is not None
        assert kind.bytes
        assert kind.peak_memory
    assert found == Comparison.model_validate_json(found.model_dump_json())


def test_a_way_that_fails_says_why_and_the_others_go_on(tmp_path: Path, write: Write) -> None:
    rows = [{"prompt": f"{n}", "completion": "b"} for n in range(4)]
    files = write("train.jsonl", rows[:2]), write("held.jsonl", rows[:1])
    found = compare(options(write_base(tmp_path / "base"), files), 2, 2, ("lora",))
    assert found.base is None
    assert "the same is asked in" in str(found.kinds[0].failed)
    with pytest.raises(MethodError, match="does not tune by 'qlora'"):
        compare(options(tmp_path, files), 2, 2, ("qlora",))


def test_what_is_refused_in_its_process_is_said_on_standard_error(
    tmp_path: Path, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    row = [{"text": "abc"}]
    files = write("train.jsonl", row), write("held.jsonl", row)
    order = Order(options=options(write_base(tmp_path / "base"), files), rows=1, held_out=1)
    assert main(order, tmp_path / "report.json") == 1
    assert "--method sft learns from rows with" in capsys.readouterr().err


@pytest.mark.tune
def test_a_process_leaves_its_report_in_a_file(tiny_base: Path, data: tuple[Path, Path], tmp_path: Path) -> None:
    order = Order(options=options(tiny_base, data, out=tmp_path / "out"), rows=8, held_out=4)
    assert main(order, tmp_path / "report.json") == 0
    assert (tmp_path / "report.json").exists()


def test_a_process_that_says_nothing_is_told_with_its_status(tmp_path: Path, write: Write) -> None:
    files = write("a.jsonl", []), write("b.jsonl", [])
    unreadable = options(tmp_path, files).model_copy(update={"max_steps": -1})
    found = compare(unreadable, 1, 1, ("lora",))
    assert found.kinds[0].failed


def test_files_are_read_once_before_the_first_way(tmp_path: Path, write: Write) -> None:
    rows = [{"prompt": f"{n}", "completion": "b"} for n in range(4)]
    files = write("train.jsonl", rows[:2]), write("held.jsonl", rows[2:])
    check_files(options(tmp_path, files), 2, 2)
    with pytest.raises(DatasetError, match="the same is asked in"):
        check_files(options(tmp_path, (files[0], files[0])), 2, 2)
    with pytest.raises(DatasetError, match=r"none\.jsonl"):
        check_files(options(tmp_path, (files[0], tmp_path / "none.jsonl")), 2, 2)
