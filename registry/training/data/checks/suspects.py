"""Rows whose label is likely wrong, and rows between two labels: a shortlist for a person. Nothing is deleted.

cleanlab judges by the probabilities that linear models give to rows which they did not learn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from postil.registry.training.data.checks.subject import Subject
from postil.registry.training.data.libraries import SUSPECTS, require
from postil.registry.training.data.linear import OutOfFold, out_of_fold
from postil.registry.training.data.report import NAMED, CheckName, DataFinding, Spot

# Closer together than this, the two most probable labels of a row are a matter of opinion.
_MARGIN = 0.1
_SHOWN_CHARACTERS = 60


def suspects(data: Subject, groups: Sequence[int], hidden: AbstractSet[int]) -> Iterator[DataFinding]:
    """Find them in a file of labels; the texts of ``hidden`` lines are not repeated. Raises TuneExtraMissingError."""
    require(SUSPECTS, "finding wrong labels")
    chosen = [number for number, label in enumerate(data.labels) if label is not None]
    labels = [str(data.labels[number]) for number in chosen]
    found = out_of_fold([data.texts[number] for number in chosen], labels, [groups[number] for number in chosen])
    if found is None:
        text = "wrong labels were not looked for: two labels have to have rows that differ enough for five parts"
        yield DataFinding(level="note", check="suspects", file=data.name, text=text)
        return
    wrong = _wrong(found)
    between = [at for at in _between(found) if at not in set(wrong)]
    named = [_spot(data, chosen[found.rows[at]], at, found, hidden) for at in wrong]
    unsure = [_spot(data, chosen[found.rows[at]], at, found, hidden) for at in between]
    if named:
        text = f"{len(named)} rows have a label that looks wrong to a linear model"
        yield _finding(data, "suspects", text, "look at them; keep those that are right", named)
    if unsure:
        text = f"{len(unsure)} rows lie between two labels"
        yield _finding(data, "ambiguous", text, "see whether people would agree on them", unsure)


def _wrong(found: OutOfFold) -> list[int]:
    from cleanlab.filter import find_label_issues

    ranked = find_label_issues(found.given, found.probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    return [int(at) for at in ranked]


def _between(found: OutOfFold) -> list[int]:
    ordered = found.probabilities.copy()
    ordered.sort(axis=1)
    margins = ordered[:, -1] - ordered[:, -2]
    return [int(at) for at in margins.argsort(kind="stable") if margins[at] < _MARGIN]


def _spot(data: Subject, number: int, at: int, found: OutOfFold, hidden: AbstractSet[int]) -> Spot:
    row = data.rows[number]
    label = data.labels[number]
    order = [found.labels[place] for place in found.probabilities[at].argsort()[::-1]]
    other = next(name for name in order if name != label)
    text = " ".join(row.asked.split())
    return Spot(
        line=row.line,
        label=label,
        suggested=other,
        probability=round(float(found.probabilities[at][found.labels.index(other)]), 3),
        text=None if row.line in hidden else text[:_SHOWN_CHARACTERS],
    )


def _finding(data: Subject, check: CheckName, text: str, remedy: str, spots: Sequence[Spot]) -> DataFinding:
    return DataFinding(
        level="warning",
        check=check,
        file=data.name,
        text=text,
        remedy=remedy,
        count=len(spots),
        spots=tuple(spots[:NAMED]),
    )
