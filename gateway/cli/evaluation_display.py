"""Shows an evaluation: the figures by label, what they are compared with, and what can be promised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from postil.gateway.telemetry.terminal import Terminal, visible

if TYPE_CHECKING:
    from postil.registry.training.calibration import Calibration
    from postil.registry.training.comparison import Comparison
    from postil.registry.training.forgetting import Forgetting
    from postil.registry.training.origins import OriginMetrics
    from postil.registry.training.promises import Promised
    from postil.registry.training.report import Evaluation, LabelMetrics, LinearBaseline, Metrics


def show_evaluation(report: Evaluation) -> None:
    """Print a table of labels, and sentences."""
    console = Terminal()
    console.print(_table(report))
    if report.origins:
        console.print(_origins(report.origins))
    for line in sentences(report):
        console.print(Text(visible(line)), soft_wrap=True)


def sentences(report: Evaluation) -> Iterator[str]:
    """Return what the table does not say."""
    if report.adapter_metrics.macro_f1 is not None:
        yield f"Macro-F1 is {report.adapter_metrics.macro_f1:.3f}; the base's is {report.base_metrics.macro_f1:.3f}."
    if report.linear is not None:
        yield from _linear(report.linear, report.confidence.rejects_below)
    yield _calibration(report.calibration)
    advice = report.confidence
    yield (
        f"A confidence minimum of {advice.minimum:.2f} would hold back {advice.right_below} right and"
        f" {advice.wrong_below} wrong answers"
        + (f", and {advice.rejects_below} of {advice.rejects} rejects." if advice.rejects else ".")
    )
    for one in report.promises:
        yield promise_sentence(one)
    if report.forgetting is not None:
        yield _forgetting(report.forgetting)
    for note in report.notes:
        yield f"Note: {note}."


def compared_sentence(found: Comparison, before: str, after: str) -> str:
    """Say how many rows only one of two answers right, and what that shows."""
    low, high = found.interval
    return (
        f"only {after} is right on {found.only_after} rows, only {before} on {found.only_before}: a difference of"
        f" {points(found.difference)} points ({points(low)} to {points(high)} with {found.confidence:.0%} confidence),"
        f" McNemar p = {p_value(found.p)}"
    )


def points(share: float) -> str:
    """``+1.3``: a difference of shares in percentage points."""
    return f"{100 * share:+.1f}"


def promise_sentence(found: Promised) -> str:
    """Say what is promised, or what it would take."""
    what = "what is answered" if found.label is None else f"the answers to messages of {found.label!r}"
    wish = f"at most {found.error:.1%} of {what} is wrong, with {found.confidence:.0%} confidence"
    if found.minimum is None:
        return (
            f"Not promised: {wish}. {found.needed} answered rows with {_errors(found.wrong)} are needed;"
            f" {found.answered} are there, with which it is at most {found.bound:.1%}."
        )
    said = f"Promised from a minimum of {found.minimum:.6g}: {wish} ({found.wrong} of {found.answered} here)."
    if found.review is not None and found.review_interval is not None:
        low, high = found.review_interval
        said += f" {found.review:.1%} ({low:.1%} to {high:.1%}) of messages go to review."
    if found.held_out is not None:
        said += f" On the rows of the figures {found.held_out.wrong} of {found.held_out.answered} are wrong."
    return said


def _table(report: Evaluation) -> Table:
    few, linear = report.few_shot_metrics, report.linear
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("label", overflow="fold")
    names = ["rows", "base", *(["few-shot"] if few else []), *(["linear"] if linear else []), "adapter", "95 %"]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("taken for", overflow="fold")
    others = [report.base_metrics, *([few] if few else []), *([linear.metrics] if linear else [])]
    for label, adapter in report.adapter_metrics.labels.items():
        shares = [_share(other.labels[label]) for other in others]
        wrong = [f"{name} {count}" for name, count in adapter.answered.items() if name != label]
        table.add_row(*_cells(label, adapter, shares), visible(", ".join(wrong[:2])))
    table.add_row(*_cells("all", report.adapter_metrics, [_share(other) for other in others]), "", style="bold")
    return table


def _origins(found: Mapping[str, OriginMetrics]) -> Table:
    """The adapter's figures by where the rows come from."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("origin", overflow="fold")
    for name in ("rows", "right", "adapter", "95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    for origin, one in found.items():
        low, high = one.interval
        span = f"{100 * low:.1f}-{100 * high:.1f}"
        table.add_row(visible(origin), str(one.examples), str(one.right), f"{one.accuracy:.1%}", span)
    return table


def _cells(name: str, adapter: Metrics | LabelMetrics, shares: list[str]) -> list[str]:
    span = "" if adapter.interval is None else f"{100 * adapter.interval[0]:.1f}-{100 * adapter.interval[1]:.1f}"
    return [visible(name), str(adapter.examples), *shares, _share(adapter), span]


def _share(metrics: Metrics | LabelMetrics) -> str:
    return f"{metrics.accuracy:.1%}"


def _linear(found: LinearBaseline, rejects_below: int) -> Iterator[str]:
    told = compared_sentence(found.comparison, "the linear model", "the adapter")
    shown = found.comparison.interval[0] > 0 or found.comparison.interval[1] < 0
    yield f"Beside a linear model trained on the same rows, {told}{'' if shown else ': no difference is shown'}."
    theirs = found.confidence
    if theirs.rejects:
        yield (
            f"Of {theirs.rejects} messages of no label the linear model would hold back {theirs.rejects_below}, the"
            f" adapter {rejects_below}."
        )


def _calibration(found: Calibration) -> str:
    if found.error is None:
        return f"{found.answers} answers are too few to calibrate the confidence; give more examples."
    change = (
        f"on answers left out of its fit, the expected error goes from {found.raw_error:.1%} to {found.error:.1%},"
        f" log-loss from {found.raw_log_loss:.3f} to {found.log_loss:.3f}"
    )
    if found.temperature == 1:
        return f"The confidence is left as it is: no temperature improves it ({change})."
    return f"The confidence is calibrated by a temperature of {found.temperature:.2f}: {change}."


def _forgetting(found: Forgetting) -> str:
    return (
        f"On {found.prompts} neutral questions the adapter is {found.kl:.3f} nats per token away from the base, its"
        f" perplexity on written answers is {found.perplexity_ratio:.2f} times the base's, and {found.labels} of"
        f" {found.prompts} answers are a label (the base's: {found.base_labels})."
    )


def _errors(wrong: int) -> str:
    return "no error" if wrong == 0 else f"{wrong} error{'s' if wrong > 1 else ''}"


def p_value(value: float) -> str:
    """``0.50``, and small ones with two digits that say something."""
    return f"{value:.2g}" if value < 0.01 else f"{value:.2f}"
