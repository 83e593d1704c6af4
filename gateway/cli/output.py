"""Output of commands: aligned tables for people, JSON for programs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from postil.gateway.cli.api_client import Listed
from postil.gateway.telemetry.terminal import Terminal, visible

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Limit = Annotated[int, typer.Option("--limit", min=0, help="Maximum number of rows; 0 for all.")]
All = Annotated[bool, typer.Option("--all", help="Show all rows.")]
DEFAULT_LIMIT = 100
_BEYOND_ASCII = re.compile("[^\\x20-\\x7e\\n]")


def console() -> Terminal:
    """Return a console on standard output; lines are not wrapped when it is not a terminal."""
    return Terminal(soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 200)


def complaints() -> Terminal:
    """Return a console on standard error."""
    return Terminal(stderr=True)


def print_error(error: object) -> None:
    """Print an error on standard error, on one line."""
    Terminal(stderr=True, soft_wrap=True).print(Text("error:", style="bold red"), Text(visible(str(error))))


def print_json(value: Any) -> None:
    """Print one JSON document; all but ASCII is escaped in it."""
    print_json_text(json.dumps(value, indent=2))


def print_json_text(text: str) -> None:
    """Print a JSON document, or lines of them; control characters that JSON allows are escaped."""
    sys.stdout.write(_BEYOND_ASCII.sub(_escaped, text) + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Print a plain table, or the sentence ``empty`` if there are no rows."""
    if not rows:
        console().print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else visible(str(cell))) for cell in row))
    console().print(table)


def show_list(
    found: Listed, columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str, as_json: bool
) -> None:
    """Print a list as a table, or as ``{"data": [...], "next": ...}`` with the API's cursor of the next page."""
    if as_json:
        print_json({"data": found.data, "next": found.next})
    else:
        print_table(columns, rows, empty=empty)
    print_rest(found)


def say(answer: Any, sentence: str, as_json: bool) -> None:
    """Print what a command did: the API's answer as JSON, or a sentence for people."""
    if as_json:
        print_json(answer)
    else:
        console().print(sentence)


def print_rest(found: Listed) -> None:
    """Report on standard error that the list has more rows, if so."""
    if found.next is not None:
        more = max(5 * len(found.data), DEFAULT_LIMIT)
        sys.stderr.write(f"{len(found.data)} shown; there are more: --limit {more} or --all\n")


def short_time(stamp: str | None) -> str:
    """``2026-11-01T12:00:03.123Z`` -> ``2026-11-01 12:00:03``."""
    return stamp[:19].replace("T", " ") if stamp else ""


def _escaped(match: re.Match[str]) -> str:
    return json.dumps(match.group())[1:-1] if match.group() != "\x7f" else "\\u007f"
