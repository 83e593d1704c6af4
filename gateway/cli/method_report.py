"""Shows the report of a method other than the fast path."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from postil.gateway.telemetry.terminal import Terminal
from postil.registry.training.methods.report import Measured, MethodReport


def show_method(report: MethodReport) -> None:
    """Print the figures on the held-out rows, before and after, and what the run cost."""
    console = Terminal()
    named = [("before", report.before), ("trained", report.trained)]
    if report.served is not None:
        named.append(("as served", report.served))
    table = Table("held-out rows", *(name for name, _ in named))
    for line in _figures([found for _, found in named]):
        table.add_row(*line)
    console.print(table)
    for text in _told(report):
        console.print(text, soft_wrap=True)


def _figures(found: list[Measured]) -> Iterator[tuple[str, ...]]:
    answers = [one.answers for one in found if one.answers]
    if answers:
        yield "loss per token", *(f"{one.loss:.3f}" for one in answers)
        yield "tokens right", *(f"{one.token_accuracy:.1%}" for one in answers)
        yield "answers to the letter", *(f"{one.exact:.1%}" for one in answers)
        if answers[0].accuracy is not None:
            yield "labels right", *(f"{one.accuracy:.1%}" for one in answers)
    pairs = [one.preferences for one in found if one.preferences]
    if pairs:
        yield "log-probability of better answers", *(f"{one.chosen:.2f}" for one in pairs)
        yield "log-probability of worse answers", *(f"{one.rejected:.2f}" for one in pairs)
        if pairs[0].accuracy is not None:
            yield "better one likelier", *(f"{one.accuracy:.1%}" for one in pairs)


def _told(report: MethodReport) -> Iterator[str]:
    yield from report.notes
    if report.losses:
        (first, begun), (last, ended) = report.losses[0], report.losses[-1]
        yield f"Loss {begun:.3f} at step {first}, {ended:.3f} at step {last}."
    if report.reference is not None:
        yield f"Reference: {report.reference}, {report.reference_digest}."
    if report.ended is not None:
        yield f"{report.ended:.0%} of a few generated answers ended by themselves."
    yield f"Forgetting: {report.forgetting:.3f} nats per token away from the base on neutral prompts."
    yield (
        f"{report.steps} steps, {report.tokens:,} tokens learned, {report.parameters:,} parameters trained,"
        f" {report.peak_memory / (1 << 30):.2f} GiB of memory at most, {report.seconds:.0f} s."
    )
