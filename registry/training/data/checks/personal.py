"""Personal data, found by the builtin check ``pii``: which rows, never what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from postil.plugins.builtin.pii import Pii, PiiConfig
from postil.plugins.types import Completion, Outcome, ReleaseRef, RequestContext
from postil.registry.training.data.checks.subject import Subject
from postil.registry.training.data.report import NAMED, DataFinding, Spot
from postil.registry.training.data.rows import PreferenceRow, Row, turns_of


def personal_data(data: Subject, lines: Sequence[int]) -> Iterator[DataFinding]:
    """Warn of the rows that hold personal data, by their lines."""
    if lines:
        yield DataFinding(
            level="warning",
            check="pii",
            file=data.name,
            text=f"{len(lines)} rows hold personal data (mail addresses, phone, card or account numbers and the like)",
            remedy="replace it, because a model may repeat what it learned",
            count=len(lines),
            spots=tuple(Spot(line=line) for line in lines[:NAMED]),
        )


def personal_lines(rows: Iterable[Row]) -> list[int]:
    """The lines of the rows in whose texts ``pii`` finds something."""
    judge = Pii(PiiConfig())
    context = RequestContext(ReleaseRef("", "", 0), "", {})
    return [
        row.line for row in rows if judge.judge(context, Completion("\n".join(_texts(row)))).outcome is Outcome.FAILED
    ]


def _texts(row: Row) -> list[str]:
    others = [row.rejected] if isinstance(row, PreferenceRow) else []
    return [turn.content for turn in turns_of(row)] + others
