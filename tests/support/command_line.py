"""The command line, as a user runs it, in this process."""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from postil.gateway.cli.failures import exit_status
from postil.gateway.cli.main import make_cli


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did: its exit status, its output and its complaints."""

    status: int
    out: str
    complaints: str


def run_command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Ran:
    """Run ``postil`` with arguments."""
    monkeypatch.setattr(sys, "argv", ["postil", *arguments])
    monkeypatch.setitem(os.environ, "COLUMNS", "200")
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as complaints:
        status = exit_status(make_cli())
    return Ran(status, out.getvalue(), complaints.getvalue())
