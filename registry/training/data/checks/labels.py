"""Labels: how many rows each has, and whether the validation files have the same."""

from __future__ import annotations

from collections.abc import Iterator

from postil.registry.text import spelling
from postil.registry.training.data.checks.subject import Subject
from postil.registry.training.data.held_out import is_held_out
from postil.registry.training.data.report import NAMED, CheckName, DataFinding, Spot

LEAST = 30
MOST_TIMES = 5


def balance(data: Subject) -> Iterator[DataFinding]:
    """Warn of labels with few rows, and of those with many times the rarest's. One label alone is an error."""
    counts = data.counts
    if len(counts) == 1:
        text = f"there is only the label {min(counts)!r}"
        yield DataFinding(level="error", check="labels", file=data.name, text=text, remedy="add rows of another")
    for label, count in sorted(counts.items()):
        if count < LEAST:
            text = f"the label {label!r} has {count} rows, fewer than {LEAST}"
            yield DataFinding(
                level="warning", check="balance", file=data.name, text=text, remedy="add rows", count=count
            )
    if counts and max(counts.values()) > MOST_TIMES * min(counts.values()):
        (most, many), (least, few) = counts.most_common()[0], counts.most_common()[-1]
        text = f"the label {most!r} has {many} rows, more than {MOST_TIMES} times the {few} of {least!r}"
        yield DataFinding(level="warning", check="balance", file=data.name, text=text, remedy=f"add rows of {least!r}")


def held_out(training: Subject) -> Iterator[DataFinding]:
    """Find rows that `postil data split` held out, in a file that is learned from."""
    spots = [Spot(line=row.line) for row in training.rows if is_held_out(row)]
    if spots:
        text = f"{len(spots)} rows are held out, and no longer measure anything once they are learned from"
        yield _error(training, text, "take them out", spots, "leak")


def same_labels(training: Subject, validation: Subject) -> Iterator[DataFinding]:
    """Find labels and fields of a validation file that the training file does not have."""
    if training.field is None or validation.field is None:
        return
    if training.field != validation.field:
        text = f"the answers have the field {validation.field!r}, those of {training.name} {training.field!r}"
        yield _error(validation, text, "use one field in both")
        return
    known = {_key(label): label for label in training.counts}
    for label in sorted(validation.counts.keys() - training.counts.keys()):
        twin = known.get(_key(label))
        spots = [Spot(line=one.line, label=label) for one in validation.examples if one.label == label]
        if twin is None:
            text, remedy = f"the label {label!r} is not in {training.name}", "add training rows of it"
        else:
            text = f"the label {label!r} differs from {twin!r} in {training.name} only in case or blanks"
            remedy = "write them in one way"
        yield _error(validation, text, remedy, spots)


def _error(
    data: Subject, text: str, remedy: str, spots: list[Spot] | None = None, check: CheckName = "labels"
) -> DataFinding:
    found = spots or []
    return DataFinding(
        level="error",
        check=check,
        file=data.name,
        text=text,
        remedy=remedy,
        count=len(found),
        spots=tuple(found[:NAMED]),
    )


def _key(label: str) -> str:
    return spelling(label).casefold()
