"""``postil curve``: how many examples an adapter needs.

Slow modules are imported where they are used, so that other commands start fast.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.commands.train import explained, prepared_base
from postil.gateway.cli.evaluation_display import p_value
from postil.gateway.cli.output import AsJson, complaints, console, print_json_text, print_table
from postil.gateway.settings import read_settings
from postil.registry.fsutil import private_files

if TYPE_CHECKING:
    from postil.registry.training.curve import Curve
    from postil.registry.training.report import Metrics

_SIZES = "100,300,1000"


def curve(
    config: Annotated[Path, typer.Argument(help="YAML file of options, as for `postil train --config`.")],
    sizes: Annotated[
        str, typer.Option(help="Numbers of examples, separated by commas; all of them come last.")
    ] = _SIZES,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the curve, too: a file such as curve.svg or curve.png.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train on more and more examples, and compare each adapter with a linear model on the same ones.

    No adapter is kept. The figures are those of the file's `held_out` rows, else of its `validation` rows.
    """
    with explained():
        _check_plot(plot)
        found = _traced(config, _numbers(sizes))
        if plot is not None:
            _draw(found, plot)
    if as_json:
        print_json_text(found.model_dump_json(indent=2))
    else:
        _show(found)


def _numbers(sizes: str) -> list[int]:
    """Read numbers. Raises CommandError."""
    try:
        numbers = [int(size) for size in sizes.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise CommandError(f"--sizes {sizes!r} are no numbers of examples; write them as {_SIZES}")
    return numbers


def _traced(config: Path, sizes: Sequence[int]) -> Curve:
    from postil.gateway.cli.training_config import merged
    from postil.registry.training.curve import check_method
    from postil.registry.training.curve import curve as trace
    from postil.registry.training.dataset import load
    from postil.registry.training.progress import Bar

    given = merged(config, {})
    options = given.options(read_settings().window)
    check_method(options)
    whole = len(load(options.data).examples)
    prepared = prepared_base(given.text("base"))
    options = options.model_copy(update={"base": prepared.path, "base_id": given.text("base_id") or prepared.id})
    with Bar(complaints(), rows=False) as bar, private_files():
        return trace(options, [*sizes, whole], bar)


def _show(found: Curve) -> None:
    columns = ("examples", "adapter", "95 %", "linear", "95 %", "p", "seconds")
    rows = [
        (
            f"{point.examples:,}",
            *_figures(point.adapter),
            *_figures(point.linear),
            p_value(point.comparison.p),
            f"{point.seconds:.0f}",
        )
        for point in found.points
    ]
    print_table(columns, rows, empty="no sizes")
    base = found.base
    console().print(f"The base without an adapter is right on {base.accuracy:.1%} of the {base.examples:,} rows.")
    if found.validation == found.selection:
        console().print("Each best state was chosen on these rows: adapters are less good on new messages.")


def _figures(metrics: Metrics) -> tuple[str, str]:
    low, high = metrics.interval or (0.0, 1.0)
    return f"{metrics.accuracy:.1%}", f"{100 * low:.1f}-{100 * high:.1f}"


def _check_plot(plot: Path | None) -> None:
    """Check, before the long work, that a plot can be drawn. Raises CommandError."""
    if plot is None:
        return
    if plot.suffix not in (".svg", ".png"):
        raise CommandError(f"--plot {plot} is neither .svg nor .png; name such a file")
    if importlib.util.find_spec("matplotlib") is None:
        raise CommandError("--plot needs matplotlib; install it, or leave the plot out")
    if not plot.absolute().parent.is_dir():
        raise CommandError(f"--plot {plot} has no folder; make it first")


def _draw(found: Curve, plot: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    sizes = [point.examples for point in found.points]
    for name, metrics in (
        ("LoRA", [point.adapter for point in found.points]),
        ("linear model", [point.linear for point in found.points]),
    ):
        shares = [100 * one.accuracy for one in metrics]
        ends = [one.interval or (one.accuracy, one.accuracy) for one in metrics]
        spread = [
            [share - 100 * low for share, (low, _) in zip(shares, ends, strict=True)],
            [100 * high - share for share, (_, high) in zip(shares, ends, strict=True)],
        ]
        axes.errorbar(sizes, shares, yerr=spread, marker="o", capsize=3, label=name)
    axes.axhline(100 * found.base.accuracy, linestyle=":", color="gray", label="base")
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes], minor=False)
    axes.minorticks_off()
    axes.set_xlabel("training examples")
    axes.set_ylabel("right answers, % (with 95 % intervals)")
    axes.legend()
    figure.savefig(plot)
