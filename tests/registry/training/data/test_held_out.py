"""What is near to a held-out row is not learned from."""

from __future__ import annotations

from pathlib import Path

from postil.registry.training.data.held_out import apart_from, is_held_out, marked
from postil.registry.training.data.rows import TextRow
from tests.registry.training.data.files import labelled, write


def test_a_mark_is_all_that_makes_a_row_held_out() -> None:
    assert is_held_out(TextRow(line=1, raw=marked({"text": "a"}), text="a"))
    assert not is_held_out(TextRow(line=1, raw={"text": "a", "part": 3}, text="a"))


def test_rows_near_to_held_out_ones_are_refused_whatever_their_form(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "a", labelled("my knee hurts since monday morning", "x")),
        write(tmp_path / "b", {"text": "the invoice is wrong"}),
    ]
    near = {"prompt": [{"role": "user", "content": "My knee hurts since Monday"}], "completion": "x", "label": True}
    far = labelled("somebody took my card", "x")
    same = {"messages": [{"role": "user", "content": "THE invoice is wrong"}, {"role": "assistant", "content": "x"}]}
    assert apart_from([near, far, same], files) == [far]
    assert apart_from([near, far, same], files[1:], threshold=0.9) == [near, far]
