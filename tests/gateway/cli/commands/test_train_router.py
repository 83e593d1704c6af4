"""``postil train-router``: what it prints and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postil.plugins.recognition.router_model import read_router
from tests.gateway.cli.in_process import in_process
from tests.registry.training.router.files import mixed, named, words_file


async def run(*arguments: str | Path, columns: int = 80) -> tuple[int, str, str]:
    return await in_process(None, "train-router", *map(str, arguments), COLUMNS=str(columns))


def options(files: list[str]) -> list[str]:
    return [part for file in files for part in ("--data", file)]


@pytest.mark.parametrize("columns", [80, 120])
async def test_a_table_by_model_and_what_it_is_compared_with(tmp_path: Path, columns: int) -> None:
    words = words_file(tmp_path / "words.json")
    out = tmp_path / "router.json"
    status, said, complaints = await run(
        *options(named(tmp_path)), "-o", out, "--words", words, "--error", "0.3", columns=columns
    )
    assert (status, complaints) == (0, "")
    heading, *rows = said.splitlines()
    assert heading.split() == ["model", "rows", "right", "95", "%", "keywords", "sent", "to"]
    assert [row.split()[0] for row in rows[:3]] == ["finance", "legal", "none"]
    assert "rows that it did not learn" in " ".join(said.split())
    assert "McNemar p" in " ".join(said.split())
    assert "microseconds" in said
    assert all(len(line) <= columns for line in [heading, *rows[:3]])
    assert read_router(out).file.models == ("finance", "legal", None)


async def test_json_is_the_whole_report(tmp_path: Path) -> None:
    out = tmp_path / "router.json"
    status, said, _ = await run("--data", mixed(tmp_path / "rows.jsonl"), "--out", out, "--json")
    report = json.loads(said)
    assert (status, report["models"], report["keywords"]) == (0, ["finance", "legal", "none"], None)
    assert report["digest"] == read_router(out).file.digest


async def test_a_promise_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    _, said, _ = await run(*options(named(tmp_path)), "-o", tmp_path / "router.json", "--error", "0.02", columns=200)
    assert "Threshold 0.800; not promised: at most 2.0% of what is sent goes to a wrong model" in " ".join(said.split())


async def test_what_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    out, data = tmp_path / "router.json", options(named(tmp_path))
    bad, large = tmp_path / "bad.json", tmp_path / "large.json"
    bad.write_text("{")
    large.write_text(" " * (1 << 20) + "{}")
    for arguments, sentence in (
        ([*data, "--words", tmp_path / "none"], "cannot be read (No such file or directory)"),
        ([*data, "--words", bad], "is not JSON; write such as"),
        ([*data, "--words", large], "is larger than 1 MiB"),
        (["--data", tmp_path / "none.jsonl"], "none.jsonl"),
        (data[:2], "all rows are for one model"),
    ):
        status, said, complaints = await run(*arguments, "-o", out, columns=400)
        assert (status, said) == (1, "")
        assert sentence in " ".join(complaints.split())
        assert not out.exists()
