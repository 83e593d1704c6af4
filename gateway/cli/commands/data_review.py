"""``postil data review``: a person goes through doubtful labels, one key a row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from postil.gateway.cli.output import console

if TYPE_CHECKING:
    from postil.registry.training.data.review import Doubt, Shortlist

KEEP, SUGGESTED, DELETE, QUIT = "k", "s", "d", "q"
# As many labels as there are digits.
_MOST = 9


def review(
    file: Annotated[Path, typer.Argument(help="Training data with labels.")],
    out: Annotated[Path, typer.Option(help="File to write the corrected copy to, as JSON lines.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of an earlier run.")] = False,
) -> None:
    """Go through rows whose label looks wrong or undecided, one key a row, and write a corrected copy.

    Nothing is changed in the file that is read. What was decided is written when you stop, too.
    """
    from postil.registry.training.data.review import shortlist, write_reviewed
    from postil.registry.training.data.writing import check_free

    check_free(out, overwrite)
    found = shortlist(file)
    decisions = _decisions(found)
    rows = write_reviewed(found.data, decisions, out)
    before = {doubt.line: doubt.label for doubt in found.doubts}
    deleted = sum(label is None for label in decisions.values())
    changed = sum(label not in (None, before[line]) for line, label in decisions.items())
    console().print(f"{out}: {rows} rows; {changed} labels changed, {deleted} rows left out")


def _decisions(found: Shortlist) -> dict[int, str | None]:
    """What a person decides by line; None is a row to leave out."""
    labels = found.labels[:_MOST]
    decisions: dict[int, str | None] = {}
    for number, doubt in enumerate(found.doubts, start=1):
        _show(doubt, f"{number} of {len(found.doubts)}", labels)
        choices = {str(place): label for place, label in enumerate(labels, start=1)}
        known: dict[str, str | None] = {**choices, KEEP: doubt.label, SUGGESTED: doubt.suggested, DELETE: None}
        key = _key(known)
        if key == QUIT:
            break
        decisions[doubt.line] = known[key]
        console().print(f"  -> {'left out' if known[key] is None else known[key]}\n")
    return decisions


def _key(known: dict[str, str | None]) -> str:
    """The next key that means something; the end of the input stops."""
    while True:
        key = typer.getchar().lower()
        if key in known:
            return key
        if key in ("", "\x04", QUIT):
            return QUIT


def _show(doubt: Doubt, place: str, labels: list[str]) -> None:
    console().print(f"{place}, line {doubt.line} ({doubt.check})")
    console().print(f"  {doubt.text}")
    console().print(f"  label {doubt.label}; a linear model says {doubt.suggested} ({doubt.probability:.2f})")
    keys = [f"{KEEP} keep", f"{SUGGESTED} {doubt.suggested}", f"{DELETE} leave out", f"{QUIT} stop"]
    numbered = [f"{number} {label}" for number, label in enumerate(labels, start=1)]
    console().print("  " + "  ".join([*keys, *numbered]))
