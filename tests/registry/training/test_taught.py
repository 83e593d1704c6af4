"""What rows teach is shown before the first step, and what teaches nothing is refused."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from postil.registry.errors import DatasetError
from postil.registry.training.progress import Bar, Reader, Silent
from postil.registry.training.taught import Taught, check_taught, named_lines, taught

ROW = Taught(7, (("<|user|>wrong\ninvoice<|end|>", False), ('{"category": "billing"}<|end|>', True)))


def decode(ids: list[int]) -> str:
    return "".join(map(chr, ids))


def test_a_row_is_cut_where_training_begins_and_ends() -> None:
    ids, trained = [*map(ord, "askAnsweraskMore")], [True] * 16
    trained[:3] = trained[9:12] = [False] * 3
    assert taught(3, ids, trained, decode).pieces == (
        ("ask", False),
        ("Answer", True),
        ("ask", False),
        ("More", True),
    )


def test_rows_that_teach_nothing_are_refused_with_their_lines() -> None:
    rows = [(line, [False, line % 2 == 0]) for line in range(1, 7)]
    with pytest.raises(DatasetError, match=r"^train\.jsonl, lines 1, 3 and 5: nothing would be trained"):
        check_taught(Path("train.jsonl"), rows)
    check_taught(Path("train.jsonl"), rows[1::2])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([4], "line 4"),
        ([4, 9], "lines 4 and 9"),
        (range(1, 1100), "lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 1,089 more"),
    ],
)
def test_many_lines_are_counted(lines: list[int], said: str) -> None:
    assert named_lines(lines) == said


def printed(terminal: bool, *, rows: bool = True, row: Taught = ROW) -> str:
    out = io.StringIO()
    with Bar(Console(file=out, force_terminal=terminal, width=80, markup=False, highlight=False), rows=rows) as bar:
        bar.shown([row], 1234, "It will be served.")
    return out.getvalue()


def test_what_is_trained_is_marked() -> None:
    text = printed(False)
    assert text.splitlines() == [
        "1 of 1,234 rows; what is trained is in [ ]:",
        'line 7: <|user|>wrong\\ninvoice<|end|>[{"category": "billing"}<|end|>]',
        "It will be served.",
    ]
    assert '\x1b[1;4m{"category": "billing"}<|end|>\x1b[0m' in printed(True)
    assert printed(False, rows=False) == ""


def test_of_a_long_beginning_the_end_is_shown() -> None:
    text = printed(False, row=Taught(1, (("a" * 500 + "b", False), ("c" * 500, True))))
    assert f"line 1: ...{'a' * 159}b[{'c' * 500}]" in text


def test_who_wants_to_see_no_rows_is_shown_none() -> None:
    assert not isinstance(Silent(), Reader)


def test_a_run_that_goes_on_says_so() -> None:
    out = io.StringIO()
    with Bar(Console(file=out, width=80)) as bar:
        for step in (13, 14):
            bar.stepped(step, 0.5)
    assert out.getvalue().count("going on after step 12") == 1
