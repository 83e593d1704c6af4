"""Shows how two adapters compare: figures of each, where only one is right, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from postil.gateway.cli.evaluation_display import compared_sentence, p_value, points
from postil.gateway.telemetry.terminal import Terminal, visible

if TYPE_CHECKING:
    from postil.registry.training.compare_adapters import AdapterComparison, HeldOutUses, MarginVerdict
    from postil.registry.training.comparison import Comparison
    from postil.registry.training.report import LabelMetrics, Metrics

_COLUMNS = ("rows", "A", "B", "only A", "only B", "p", "B - A")


def show_comparison(found: AdapterComparison) -> None:
    """Print a table of labels, and sentences."""
    console = Terminal()
    console.print(Text(visible(f"A is {found.before}, B is {found.after}.")), soft_wrap=True)
    console.print(_table(found))
    for line in sentences(found):
        console.print(Text(visible(line)), soft_wrap=True)


def sentences(found: AdapterComparison) -> Iterator[str]:
    """Return the overall comparison, a verdict for each margin, and how often the rows were used."""
    told = compared_sentence(found.overall, "A", "B")
    yield f"Of {found.overall.rows} rows, {told}."
    for one in found.verdicts:
        yield _verdict(one, found.overall.confidence)
    if found.held_out_uses is not None and found.held_out_uses.uses:
        yield _uses(found.held_out_uses)


def _uses(found: HeldOutUses) -> str:
    many = "1 adapter was" if found.uses == 1 else f"{found.uses} adapters were"
    worn = ": they are worn out, hold out new ones" if found.uses > found.limit else ""
    return f"{many} measured with these rows so far{worn}."


def _table(found: AdapterComparison) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("label", overflow="fold")
    for name in _COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for label, pair in found.labels.items():
        sides = (found.before_metrics.labels[label], found.after_metrics.labels[label])
        table.add_row(*_cells(label, *sides, pair))
    table.add_row(*_cells("all", found.before_metrics, found.after_metrics, found.overall), style="bold")
    return table


def _cells(name: str, before: Metrics | LabelMetrics, after: Metrics | LabelMetrics, pair: Comparison) -> list[str]:
    counts = (str(pair.only_before), str(pair.only_after))
    return [
        visible(name),
        str(pair.rows),
        _share(before),
        _share(after),
        *counts,
        p_value(pair.p),
        points(pair.difference),
    ]


def _share(metrics: Metrics | LabelMetrics) -> str:
    low, high = metrics.interval or (0.0, 1.0)
    return f"{metrics.accuracy:.1%} ({100 * low:.0f}-{100 * high:.0f})"


def _verdict(one: MarginVerdict, confidence: float) -> str:
    where = "" if one.label is None else f" on messages of {one.label!r}"
    margin = f"{100 * one.margin:g} point{'' if one.margin == 0.01 else 's'}"
    if one.verdict == "not worse":
        return f"B is not worse than A by more than {margin}{where}: at least {points(one.least)} at {confidence:.0%}."
    if one.verdict == "worse":
        return f"B is worse than A by more than {margin}{where}, at {confidence:.0%} confidence."
    return (
        f"It is not shown that B is not worse than A by more than {margin}{where}: it may be {points(one.least)} at"
        f" {confidence:.0%}. {one.rows} rows are there; {one.needed} show it where both answer all rows alike, and more"
        " are needed where they differ."
    )
