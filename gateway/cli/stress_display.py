"""Shows stress sets: right answers to messages in other ways of writing, and what is held back of strange texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from postil.gateway.cli.output import console, print_table

if TYPE_CHECKING:
    from postil.registry.training.report import Evaluation
    from postil.registry.training.stress import Strange, Stress, Written

_COLUMNS = ("set", "rows", "changed", "counted", "share", "95 %", "of all rows")


def show_stress(report: Evaluation) -> None:
    """Print a table of the sets, if there are any, with the messages as they are above it."""
    if report.stress is not None:
        console().print("")
        print_table(_COLUMNS, list(_rows(report, report.stress)), empty="")
        console().print(f"Held back: the reject label, or a confidence below {report.stress.minimum:.2f}.")


def _rows(report: Evaluation, found: Stress) -> Iterator[Sequence[object]]:
    plain = report.adapter_metrics
    if found.written:
        yield "as they are", plain.examples, "", "right", _percent(plain.accuracy), _span(plain.interval), ""
    for one in found.written:
        yield _written(one)
    for strange in found.strange:
        yield _strange(strange)


def _written(one: Written) -> Sequence[object]:
    held_back = f"{one.held_back} held back"
    return one.way, one.rows, one.changed, "right", _percent(one.accuracy), _span(one.interval), held_back


def _strange(one: Strange) -> Sequence[object]:
    taken = ", ".join(f"{label} {count}" for label, count in list(one.answered.items())[:2])
    return one.kind, one.rows, "", "held back", _percent(one.share), _span(one.interval), taken


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _span(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.1f}-{100 * interval[1]:.1f}"
