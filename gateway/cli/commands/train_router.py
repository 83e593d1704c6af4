"""``postil train-router``: the small classifier by which the router ``linear`` sends texts to models.

Slow modules are imported where they are used, so that other commands start fast.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.commands.train import explained
from postil.gateway.cli.evaluation_display import p_value, points
from postil.gateway.cli.output import AsJson, console, print_json_text, print_table
from postil.registry.fsutil import private_files

if TYPE_CHECKING:
    from postil.registry.training.router.report import BesideKeywords, RouterReport, Threshold

_DATA = "Rows of a model, as MODEL=FILE, such as legal=rows.jsonl or none=rest.jsonl; or FILE whose labels are models."
_MOST_WORDS_BYTES = 1 << 20


def train_router(
    data: Annotated[list[str], typer.Option(help=_DATA + " May be given again.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the router.")],
    held_out: Annotated[
        list[str] | None,
        typer.Option(help="Rows for the figures, named as --data; default: some of --data, which are not learned."),
    ] = None,
    reject: Annotated[
        str | None, typer.Option(help="Leave out rows with this label; where labels are models, it stands for none.")
    ] = None,
    words: Annotated[
        Path | None, typer.Option(help="JSON file of the words of the router `keywords`, to compare with it.")
    ] = None,
    error: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="Share of texts sent to a model that may go to a wrong one.")
    ] = 0.1,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.9999, help="How sure that share is.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Decides which rows are learned from.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of an earlier run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a router: it sends requests for the model `auto` to the model that their text is for.

    It is a linear classifier over words and pieces of words: seconds to train, no model is asked. Name the file in the
    settings: `POSTIL_ROUTER='{"name": "linear", "config": {"file": "router.json"}}'`.
    """
    from postil.registry.training.router.make import Wanted, make_router

    with explained(), private_files():
        known = None if words is None else _words(words)
        found = make_router(data, held_out or (), out, Wanted(reject, error, confidence, seed), known, overwrite)
    if as_json:
        print_json_text(found.model_dump_json(indent=2))
        return
    _show(found)


def _words(path: Path) -> Any:
    """Read the words of the router ``keywords``. Raises CommandError."""
    try:
        if path.stat().st_size > _MOST_WORDS_BYTES:
            raise CommandError(f"{path} is larger than 1 MiB; write the words of each model, and no more")
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise CommandError(f'{path} is not JSON; write such as {{"legal": ["contract"]}}') from error


def _show(found: RouterReport) -> None:
    others = found.keywords
    columns = ["model", "rows", "right", "95 %", *(["keywords"] if others else []), "sent to"]
    rows = []
    for at, one in enumerate(found.figures.models):
        low, high = one.interval
        sent = ", ".join(f"{model} {count}" for model, count in sorted(one.sent.items(), key=lambda it: -it[1]))
        beside = [f"{others.keywords.models[at].accuracy:.1%}"] if others else []
        rows.append([one.model, one.rows, f"{one.accuracy:.1%}", f"{100 * low:.1f}-{100 * high:.1f}", *beside, sent])
    print_table(columns, rows, empty="no rows")
    for line in _sentences(found):
        console().print(line)


def _sentences(found: RouterReport) -> Iterator[str]:
    figures = found.figures
    low, high = figures.interval
    yield (
        f"Right on {figures.accuracy:.1%} ({low:.1%} to {high:.1%}) of {figures.rows:,} rows that it did not learn;"
        f" {figures.wrong} went to a wrong model, {figures.abstained} to none."
    )
    if found.keywords is not None:
        yield _compared(found.keywords)
    yield _threshold(found.threshold)
    yield (
        f"A choice takes {found.microseconds:.0f} microseconds, and {found.microseconds_longest:.0f} for the longest"
        f" text. {found.file}: {found.bytes / 1000:,.0f} kB, learned from {found.learned:,} rows."
    )


def _compared(found: BesideKeywords) -> str:
    low, high = found.interval
    return (
        f"Keywords are right on {found.keywords.accuracy:.1%}, and wrong on {found.keywords.wrong}: only the router is"
        f" right on {found.only_router} rows, only keywords on {found.only_keywords}, a difference of"
        f" {points(found.difference)} points ({points(low)} to {points(high)}), McNemar p = {p_value(found.p)}."
    )


def _threshold(found: Threshold) -> str:
    wish = f"at most {found.error:.1%} of what is sent goes to a wrong model, with {found.confidence:.0%} confidence"
    if found.promised:
        return f"Threshold {found.threshold:.3f}; promised for texts like these: {wish}."
    return (
        f"Threshold {found.threshold:.3f}; not promised: {wish}. {found.wrong} of {found.sent} calibration texts went"
        f" wrong, which is at most {found.bound:.1%}; more rows would show less."
    )
