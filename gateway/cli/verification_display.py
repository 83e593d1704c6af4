"""Shows a verification: the verdict, what was counted, and the rows that differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from postil.gateway.cli.output import console, print_table

if TYPE_CHECKING:
    from postil.registry.training.agreement import Agreement, ServedAccuracy, Verification

_SHOWN = 10


def show_verification(found: Verification) -> None:
    """Print a table of what was counted, the first rows that differ, and the verdict."""
    print_table(("checked", "rows", "found", "as expected"), list(_checks(found)), empty="")
    different = found.answers.different if found.answers else ()
    if different:
        rows = [
            (one.line, f"{one.trained} ({one.probability:.2f})", one.served or f"held back: {one.reason}")
            for one in different[:_SHOWN]
        ]
        console().print("")
        print_table(("line", "in training", "by the engine"), rows, empty="")
    for line in _notes(found, len(different)):
        console().print(line, soft_wrap=True)
    console().print(verdict(found), soft_wrap=True)


def verdict(found: Verification) -> str:
    """Say whether the release is verified, and what is wrong if not."""
    if found.verified:
        as_trained = (
            f"answers {found.answers.same} of {found.answers.rows} rows as in training"
            if found.answers
            else "is as accurate as in training, as far as accuracies tell"
        )
        return f"{found.release} is verified: it {as_trained}, and the adapter changes {_changed(found)}."
    return f"{found.release} is not verified: {'; '.join(found.problems)}."


def _changed(found: Verification) -> str:
    return f"{found.effect.changed} of {found.effect.rows} answers of the base"


def _checks(found: Verification) -> Iterator[Sequence[object]]:
    if found.answers is not None:
        yield from _answers(found.answers)
    if found.confidence is not None:
        one = found.confidence
        yield "probability, from training's", one.rows, f"{one.mean:.4f} on average, {one.largest:.4f} at most", ""
    if found.accuracy is not None:
        yield from _accuracy(found.accuracy)
    effect = found.effect
    said = f"{effect.other_label} another label, {effect.other_probability} another probability"
    yield "adapter against base", effect.rows, said, _word(effect.changed > 0)


def _answers(found: Agreement) -> Iterator[Sequence[object]]:
    said = f"{found.same} as in training, {found.held_back} held back"
    yield "answers", found.rows, said, _word(len(found.different) <= found.allowed)


def _accuracy(found: ServedAccuracy) -> Iterator[Sequence[object]]:
    low, high = found.interval
    said = f"{found.accuracy:.1%} ({low:.1%} to {high:.1%}); training {found.trained:.1%}"
    yield "accuracy", found.rows, said, _word(found.agrees)


def _word(good: bool) -> str:
    return "yes" if good else "no"


def _notes(found: Verification, different: int) -> Iterator[str]:
    if different > _SHOWN:
        yield f"{different - _SHOWN} more rows differ; --json has them all."
    if found.answers is None:
        yield (
            "Note: the release's report keeps no answers to these rows, so only accuracies are compared; `postil"
            " evaluate` on the same file before publishing keeps them."
        )
