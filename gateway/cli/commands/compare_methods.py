"""``postil compare-methods``: the ways of tuning side by side, on somebody's own rows."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.commands.train import explained, prepared_base
from postil.gateway.cli.output import complaints, print_json_text
from postil.gateway.settings import read_settings
from postil.gateway.telemetry.terminal import Terminal

if TYPE_CHECKING:
    from postil.registry.training.methods.compare import Comparison, Kind


def compare_methods(
    data: Annotated[Path, typer.Option(help="Training rows: instruction/input/output, messages, prompt/completion.")],
    validation: Annotated[Path, typer.Option(help="Held-out rows of the same kind.")],
    base: Annotated[
        str | None, typer.Option(help="Model folder or Hugging Face id; default: the gateway's base.")
    ] = None,
    tunes: Annotated[str | None, typer.Option(help="Ways of tuning, separated by commas; default: all.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each.")] = 60,
    rows: Annotated[int, typer.Option(min=1, help="Training rows at most, from all over the file.")] = 150,
    held_out_rows: Annotated[int, typer.Option(min=1, help="Held-out rows at most, likewise.")] = 100,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows per step.")] = 8,
    rank: Annotated[int, typer.Option(min=1, max=512, help="Rank of LoRAs, width of bottlenecks.")] = 8,
    convert_rank: Annotated[int, typer.Option(min=1, max=512, help="Rank of what is converted.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    plot: Annotated[Path | None, typer.Option(help="Draw loss over parameters to this file, such as a PNG.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Train by every way of tuning on the same rows, and print what each costs, reaches and forgets.

    Each runs in a process of its own, so that its memory is its own. Nothing is kept. Exits 1 if all of them fail.
    """
    from postil.registry.training.methods.compare import check_files, compare
    from postil.registry.training.methods.options import MethodOptions
    from postil.registry.training.methods.run import check_method_libraries
    from postil.registry.training.methods.servability import TUNES, servability

    with explained("stopped; nothing is kept"):
        chosen = tuple(name.strip() for name in tunes.split(",")) if tunes else TUNES
        for name in chosen:
            servability(name)
        check_method_libraries()
        if plot is not None and importlib.util.find_spec("matplotlib") is None:
            raise CommandError("--plot needs matplotlib; install it with: pip install matplotlib, or leave --plot out")
        options = MethodOptions(
            data=data, validation=validation, base=Path(), out=Path(), max_steps=steps, eval_steps=steps,
            batch_size=batch_size, rank=rank, convert_rank=convert_rank, seed=seed, window=read_settings().window,
        )  # fmt: skip
        check_files(options, rows, held_out_rows)
        prepared = prepared_base(base)
        options = options.model_copy(update={"base": prepared.path, "base_id": prepared.id})
        found = compare(options, rows, held_out_rows, chosen, complaints().print)
        if plot is not None:
            _draw(found, plot)
    if json:
        print_json_text(found.model_dump_json(indent=2))
    else:
        _show(found)
    if all(kind.failed is not None for kind in found.kinds):
        raise typer.Exit(1)


def _show(found: Comparison) -> None:
    """Print what each costs and what each reaches, in two tables that fit a narrow terminal."""
    console = Terminal()
    costs = Table("tune", "served", "parameters", "MB", "GiB at most", "seconds")
    reached = Table("tune", "loss", "before conversion", "right", "forgetting")
    if found.base is not None:
        reached.add_row("(base)", f"{found.base.loss:.3f}", "", _share(found.base.accuracy), "0.000")
    for kind in found.kinds:
        costs.add_row(kind.tune, kind.serving, *_costs(kind))
        if kind.loss is not None:
            before = f"{kind.trained_loss:.3f}" if kind.serving == "converted" else ""
            share = _share(kind.accuracy, kind.interval)
            reached.add_row(kind.tune, f"{kind.loss:.3f}", before, share, f"{kind.forgetting:.3f}")
    console.print(costs)
    console.print(reached)
    for kind in found.kinds:
        if kind.failed is not None:
            console.print(f"{kind.tune}: {kind.failed}", soft_wrap=True, markup=False)
    console.print(
        f"{found.base_id}, {found.steps} steps on at most {found.rows} rows, {found.held_out} held-out rows at most.",
        soft_wrap=True,
    )


def _costs(kind: Kind) -> tuple[str, ...]:
    if kind.parameters is None or kind.bytes is None or kind.peak_memory is None:
        return ("failed",)
    memory = f"{kind.peak_memory / (1 << 30):.2f}"
    return f"{kind.parameters:,}", f"{kind.bytes / 1e6:.2f}", memory, f"{kind.seconds:.0f}"


def _share(share: float | None, interval: tuple[float, float] | None = None) -> str:
    if share is None:
        return ""
    return f"{share:.0%}" if interval is None else f"{share:.0%} ({interval[0]:.0%}-{interval[1]:.0%})"


def _draw(found: Comparison, path: Path) -> None:
    """Draw the loss of each way of tuning over its parameters."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for kind in found.kinds:
        if kind.parameters and kind.loss is not None:
            axes.plot(kind.parameters, kind.loss, "o")
            axes.annotate(f"{kind.tune} ({kind.serving})", (kind.parameters, kind.loss), fontsize=8)
    axes.set(xscale="log", xlabel="trained parameters", ylabel="held-out loss per token")
    try:
        figure.savefig(path, dpi=150, bbox_inches="tight")
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be drawn ({error}); name a file such as methods.png") from error
    finally:
        pyplot.close(figure)
