"""What ``postil serve`` says once it is ready."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from postil.gateway.cli.startup_display import ServeProgress
from postil.gateway.settings import Settings


def said(home: Path, *, once: str = "", **settings: Any) -> str:
    """The first lines of a gateway that is ready at port 8080."""
    output = io.StringIO()
    with ServeProgress(Console(file=output, width=120), Settings(home=home, **settings), port=8080) as progress:
        if once:
            progress.tell("console", once)
        progress.tell("ready", "")
    return output.getvalue()


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "http://localhost:8080/console"),
        ({"host": "10.1.2.3"}, "http://10.1.2.3:8080/console"),
        ({"admin_port": 9000}, "http://localhost:9000/console"),
        ({"host": "10.1.2.3", "admin_port": 9000, "admin_host": "127.0.0.1"}, "http://127.0.0.1:9000/console"),
    ],
)
def test_it_says_where_the_console_is(tmp_path: Path, settings: dict[str, Any], address: str) -> None:
    assert f"console: {address} " in said(tmp_path, **settings)


def test_with_a_link_that_signs_in_once_it_shows_that(tmp_path: Path) -> None:
    assert "console: http://localhost:8080/console/login?once=abc  (signs in once" in said(tmp_path, once="abc")


def test_the_demo_says_which_key_may_ask_all_domains(tmp_path: Path) -> None:
    assert "demo-desk (all of them: `model: auto` chooses)" in " ".join(said(tmp_path, demo=True).split())


def test_it_says_nothing_of_a_console_that_is_turned_off(tmp_path: Path) -> None:
    assert "console" not in said(tmp_path, console=False)
