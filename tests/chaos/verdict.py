"""What a fault did to those who asked, and whether that is allowed: nothing lost, nothing wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from tests.chaos.load import Load, Outcome

_WIDTH = 124


@dataclass
class Row:
    """One fault: how often it was done, what the clients saw, how long the longest recovery took, what was wrong."""

    fault: str
    times: int
    sent: int = 0
    failed_cleanly: int = 0
    lost: int = 0
    wrong: int = 0
    seconds_to_recover: float = 0.0
    problems: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether nothing was lost and nothing was wrong, and something was asked at all."""
        return self.sent > 0 and not (self.lost or self.wrong or self.problems)

    def add(self, load: Load) -> None:
        """Count what the clients have seen."""
        self.sent += len(load.seen)
        self.failed_cleanly += load.count(Outcome.FAILED)
        self.lost += load.count(Outcome.LOST)
        self.wrong += load.count(Outcome.WRONG)
        self.problems += load.problems()

    def check(self, holds: bool, otherwise: str) -> None:
        """Something that was promised of the gateway itself."""
        if not holds:
            self.wrong += 1
            self.problems.append(otherwise)

    def keep(self, holds: bool, otherwise: str) -> None:
        """A change that was acknowledged has to be there."""
        if not holds:
            self.lost += 1
            self.problems.append(otherwise)

    def recovered(self, seconds: float) -> None:
        """How long it took this time."""
        self.seconds_to_recover = max(self.seconds_to_recover, seconds)


def show(rows: Sequence[Row], *, as_json: bool) -> None:
    """Print all, as a table or as JSON; what was wrong comes after it."""
    if as_json:
        print(json.dumps([{**asdict(row), "good": row.good} for row in rows], indent=2))
        return
    columns = ("how often", "requests sent", "failed cleanly", "lost", "wrong", "recovered after")
    table = Table(box=SIMPLE)
    table.add_column("fault", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        figures = (row.times, row.sent, row.failed_cleanly, row.lost, row.wrong)
        table.add_row(row.fault, *(f"{figure:,}" for figure in figures), f"{row.seconds_to_recover:.1f} s")
    # A pipe has no width, and a figure that is cut off is none.
    out = Console(highlight=False, soft_wrap=True, width=max(Console().width, _WIDTH))
    out.print(table)
    for row in rows:
        for problem in row.problems[:5]:
            out.print(f"{row.fault}: {problem}", markup=False)
