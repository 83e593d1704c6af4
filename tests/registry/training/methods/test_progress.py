"""What a person sees of a run."""

from __future__ import annotations

import io

from rich.console import Console

from postil.registry.training.methods.progress import Lines, Quiet


def test_lines_say_all_that_is_said_to_the_letter_and_the_loss_now_and_then() -> None:
    out = io.StringIO()
    lines = Lines(Console(file=out, width=80), every=2)
    lines.said("[bold]a row[/bold]")
    for step in (1, 2, 3):
        lines.stepped(step, 1 / step)
    assert out.getvalue() == "[bold]a row[/bold]\nstep 2: loss 0.500\n"


def test_rows_are_shown_to_people_only() -> None:
    out = io.StringIO()
    Lines(Console(file=out), rows=False).showed("a message")
    Lines(Console(file=out)).showed("another")
    assert out.getvalue() == "another\n"


def test_quiet_says_nothing() -> None:
    quiet = Quiet()
    quiet.said("a")
    quiet.showed("a")
    quiet.stepped(1, 1.0)
