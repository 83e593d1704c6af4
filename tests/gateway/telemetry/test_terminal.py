"""What others wrote reaches no terminal as orders: controls, overrides and markup are shown as text."""

from __future__ import annotations

import io
import logging

import pytest
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

from postil.gateway.telemetry.terminal import Terminal, visible
from tests.support.paths import ROOT

CLIPBOARD = "\x1b]52;c;cm0gLXJmIH4K\x07"
OVERRIDE = "\u202egpj.exe"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (CLIPBOARD, r"\x1b]52;c;cm0gLXJmIH4K\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\rb\x7f", r"a\x0db\x7f"),
        (OVERRIDE, r"\u202egpj.exe"),
        ("\u2066\u2069\u200f\u2028", r"\u2066\u2069\u200f\u2028"),
        ("\ud83d", r"\ud83d"),
        ("\U000e0041", r"\U000e0041"),
        ("größe\n\tالعربية 👩‍⚕️", "größe\n\tالعربية 👩‍⚕️"),
    ],
)
def test_controls_are_shown_as_text_and_writing_stays(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_terminal_gets_the_styles_of_postil_and_none_of_a_text() -> None:
    out = io.StringIO()
    terminal = Terminal(file=out, force_terminal=True, color_system="standard", width=200)
    hostile = f"{CLIPBOARD}{OVERRIDE}[red]x[/red][link=http://evil]y[/link]:smile:"
    table = Table("what")
    table.add_row(hostile)
    table.add_row(Text(hostile))
    terminal.print(Text("error:", style="bold red"), hostile)
    terminal.print(Text(hostile), table)
    said = out.getvalue()
    assert "\x1b[1;31merror:" in said
    assert "\x1b]" not in said
    assert not set("\x07\x9b\u202e") & set(said)
    assert said.count("[link=http://evil]y[/link]:smile:") == 4


def test_a_line_of_the_log_gives_the_terminal_no_orders() -> None:
    out = io.StringIO()
    handler = RichHandler(console=Terminal(file=out, width=200))
    log = logging.Logger("serve")
    log.addHandler(handler)
    log.warning("%s cannot be loaded: [bold]%s", CLIPBOARD, OVERRIDE)
    assert r"\x1b]52" in out.getvalue()
    assert r"[bold]\u202egpj.exe" in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_nothing_in_the_gateway_writes_to_a_terminal_by_another_way() -> None:
    ways = ("Console(", "typer.echo(", "click.echo(", "sys.stdout.write(", "sys.stderr.write(", " print(")
    # A plugin's process writes to a file of the log folder, the one that compiles grammars to a pipe.
    allowed = {
        "gateway/cli/output.py",
        "gateway/telemetry/terminal.py",
        "gateway/plugin_host/child/dispatcher.py",
        "gateway/engine/grammar_child.py",
    }
    found = {
        f"{path.relative_to(ROOT)}: {way}"
        for path in (ROOT / "gateway").rglob("*.py")
        for way in ways
        if way in path.read_text() and str(path.relative_to(ROOT)) not in allowed
    }
    assert found == set()
    assert all((ROOT / path).exists() for path in allowed)
