"""Trains by one way of tuning in a process of its own: options as JSON on standard input, the report to a file.

``python -m postil.registry.training.methods.one REPORT``; what it cost in memory is then its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from postil.registry.errors import RegistryError
from postil.registry.training.methods.options import MethodOptions
from postil.registry.training.methods.run import run


class Order(BaseModel):
    """What such a process is asked for: a run on so many rows of each file."""

    model_config = ConfigDict(frozen=True)

    options: MethodOptions
    rows: int
    held_out: int


def main(order: Order, report: Path) -> int:
    """Do it; return the exit status. What is refused is said in one sentence on standard error."""
    try:
        found = run(order.options, rows=order.rows, held_out=order.held_out)
    except RegistryError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    report.write_text(found.model_dump_json(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Order.model_validate_json(sys.stdin.read()), Path(sys.argv[1])))
