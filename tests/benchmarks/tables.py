"""Tables of the page for what has no aim, and only wants to be seen."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tests.benchmarks import labels, workers
from tests.benchmarks.phases import PHASES

Found = Mapping[str, Any]


def phases(raw: Found) -> list[str]:
    """Milliseconds of each phase of a request."""
    medians = [[statistics.median(row[phase]) for phase in PHASES] for row in raw.values()]
    body = [[phase, *(f"{row[place]:,.2f}" for row in medians)] for place, phase in enumerate(PHASES)]
    return _table(["ms", *raw], [*body, ["**together**", *(f"**{sum(row):,.2f}**" for row in medians)]])


def label_steps(raw: Found) -> list[str]:
    """What a label answer takes in each way of asking for one."""
    body = [(clients, way, f"{tokens:.0f}", f"{ms:,.0f} ms") for clients, way, tokens, ms in labels.medians(raw)]
    return _table(["", "way", "tokens generated", "median"], body)


def side_channel(raw: Found) -> list[str]:
    """How soon guesses of another's prompt are answered, and what of them the engine had in its cache."""
    body = []
    for row, kinds in raw.items():
        for guess, made in kinds.items():
            times = [1000 * one["seconds"] for one in made]
            spread = f"{min(times):,.0f} to {max(times):,.0f} ms"
            tokens, cached = (statistics.mean(one[name] for one in made) for name in ("looked_up", "found"))
            body.append([row, guess, f"{statistics.median(times):,.0f} ms", spread, f"{tokens:.0f}", f"{cached:.0f}"])
    return _table(["", "guess", "median", "from, to", "tokens", "of them cached"], body)


def crews(raw: Found) -> list[str]:
    """Answers a second by how many processes answer, and the processor time of each."""
    body = []
    for row in workers.ROWS:
        for count, rows in raw.items():
            one = {what: statistics.median(values) for what, values in rows[row].items()}
            primary = "-" if count == "1" else f"{one['primary_us']:.0f} us"
            body.append([row, count, f"{one['per_second']:,.0f}", f"{one['cpu_us']:.0f} us", primary])
    return _table(["", "processes that answer", "answers/s", "processor time of each", "of it the primary's"], body)


def _table(head: Sequence[str], body: Iterable[Sequence[str]]) -> list[str]:
    """In Markdown; figures stand right."""
    rows = [list(row) for row in body]
    sides = ["--:" if cell.strip("*")[:1].isdigit() else "---" for cell in rows[0]]
    return [f"| {' | '.join(row)} |" for row in [list(head), sides, *rows]]


TABLES: Mapping[str, Callable[[Found], list[str]]] = {
    "phases": phases,
    "labels": label_steps,
    "side channel": side_channel,
    "workers": crews,
}
