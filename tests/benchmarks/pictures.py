"""Bars, alone or stacked."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes

_RIVALS = {"nginx": "#9aa5b1", "LiteLLM": "#c2572b"}
_OURS = "#2f6f8f"
# The gateway's phases are blue, the engine's grey, what neither can help is pale.
_PHASES = {
    "gateway in": "#2f6f8f",
    "queue": "#e3c567",
    "engine: prefill": "#6b7580",
    "engine: decode": "#9aa5b1",
    "engine: its front end": "#c9d0d6",
    "validators": "#c2572b",
    "gateway out": "#7fb3cc",
    "connection": "#e9e4d8",
}


def bars(to: Path, title: str, rows: Mapping[str, float], scale: str = "log") -> str:
    """Bars with their figures written at them; returns the file's name."""
    figure, axes = pyplot.subplots(figsize=(8, 0.5 * len(rows) + 1.2))
    drawn = axes.barh(list(rows), list(rows.values()), color=[_RIVALS.get(row, _OURS) for row in rows])
    axes.bar_label(drawn, [f"{value:,.0f}" if value >= 10 else f"{value:.2f}" for value in rows.values()], padding=4)
    axes.set_xscale(scale)
    axes.margins(x=0.15)
    _finish(axes, title)
    figure.tight_layout()
    figure.savefig(to, dpi=110)
    pyplot.close(figure)
    return to.name


def stacked(to: Path, title: str, rows: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Each row's phases one after the other, and below them, larger, those that are the gateway's own.

    Returns the file's name.
    """
    medians = {row: {name: statistics.median(values) for name, values in one.items()} for row, one in rows.items()}
    figure, (whole, own) = pyplot.subplots(2, figsize=(9, 0.9 * len(rows) + 2.6))
    _stack(whole, medians, list(_PHASES))
    _finish(whole, title)
    _stack(own, medians, ["gateway in", "validators", "gateway out"])
    _finish(own, "of that in the gateway, without the queue")
    figure.legend(*whole.get_legend_handles_labels(), loc="lower center", ncols=4, frameon=False)
    figure.tight_layout(rect=(0, 0.11, 1, 1))
    figure.savefig(to, dpi=110)
    pyplot.close(figure)
    return to.name


def delay_curves(to: Path, means: Mapping[tuple[str, float], tuple[float, float]]) -> str:
    """How many requests it takes to find a release that fails so often, by tenants; before, it did not matter whose.

    Returns the file's name.
    """
    figure, (delays, ratios) = pyplot.subplots(1, 2, figsize=(11, 4.2))
    names = [*dict.fromkeys(name for name, _ in means)]
    rates = sorted({rate for _, rate in means})
    before = [statistics.fmean(means[name, rate][0] for name in names) for rate in rates]
    delays.plot(rates, before, color="#c2572b", linestyle="--", marker="o", label="before, any tenants")
    for name, color in zip(names, pyplot.get_cmap("viridis")([0, 0.25, 0.5, 0.75, 0.95]), strict=True):
        now = [means[name, rate][1] for rate in rates]
        delays.plot(rates, now, color=color, marker="o", label=f"tenants: {name}")
        ratios.plot(rates, [mine / theirs for mine, theirs in zip(now, before, strict=True)], color=color, marker="o")
    ratios.axhline(1.5, color="#9aa5b1", linestyle=":")
    for axes, title in ((delays, "requests of the new release until it is found"), (ratios, "the same, times before")):
        axes.set_xscale("log")
        axes.set_xticks(rates, [f"{rate:.0%}" for rate in rates])
        axes.minorticks_off()
        axes.set_xlabel("failures of the new release (of the old one: 1 %)")
        axes.set_title(title, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    delays.set_yscale("log")
    ratios.set_ylim(bottom=0)
    delays.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(to, dpi=110)
    pyplot.close(figure)
    return to.name


def _stack(axes: Axes, rows: Mapping[str, Mapping[str, float]], phases: Sequence[str]) -> None:
    left = [0.0] * len(rows)
    for phase in phases:
        widths = [max(one[phase], 0.0) for one in rows.values()]
        axes.barh(list(rows), widths, left=left, color=_PHASES[phase], label=phase)
        left = [before + width for before, width in zip(left, widths, strict=True)]
    for place, end in enumerate(left):
        text = f"{end:,.0f} ms" if end >= 10 else f"{end:.2f} ms"
        axes.annotate(text, (end, place), xytext=(4, 0), textcoords="offset points", va="center")
    axes.margins(x=0.15)


def _finish(axes: Axes, title: str) -> None:
    axes.invert_yaxis()
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
