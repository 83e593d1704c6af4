"""What a person sees of a run."""

from __future__ import annotations

import io

from rich.console import Console

from postil.registry.training.methods.progress import Lines, Quiet


def test_lines_say_all_that_is_said_to_the_letter_and_the_loss_now_and_then() -> None:
    out = io.StringIO()
    lines = Lines(Console(file=out, width=80), every=2)
    lines.said("[bold]a row[/bold]")
    lines.begins(3)
    for step in (1, 2, 3):
        lines.stepped(step, 1 / step)
    lines.looked(1.0, 0.25, best=True)
    lines.looked(2.0, 0.5, best=False)
    assert out.getvalue().splitlines() == [
        "[bold]a row[/bold]",
        "step 2 of 3: loss 0.500",
        "epoch 1.00: validation loss 0.250, the best so far",
        "epoch 2.00: validation loss 0.500",
    ]


def test_rows_are_shown_to_people_only() -> None:
    out = io.StringIO()
    Lines(Console(file=out), rows=False).showed("a message")
    Lines(Console(file=out)).showed("another")
    assert out.getvalue() == "another\n"


def test_quiet_says_nothing() -> None:
    quiet = Quiet()
    quiet.said("a")
    quiet.showed("a")
    quiet.begins(1)
    quiet.stepped(1, 1.0)
    quiet.looked(1.0, 1.0, best=True)
