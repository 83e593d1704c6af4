"""``postil verify``: a running engine answers held-out rows as training did, and the adapter changes something."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from postil.gateway.cli.output import AsJson, print_json_text
from postil.gateway.cli.verification import Plan, verified
from postil.gateway.cli.verification_display import show_verification
from postil.registry.names import parse_release


def verify(
    release: Annotated[str, typer.Argument(help="The release, live or not: domain/adapter@number.")],
    data: Annotated[Path, typer.Option(help="Labelled examples; best those that gave the figures of its report.")],
    rows: Annotated[int, typer.Option(min=0, help="How many of them to ask, drawn at random; 0 for all.")] = 200,
    seed: Annotated[int, typer.Option(help="Decides which rows are drawn.")] = 0,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="How many requests are under way at a time.")] = 4,
    most_different: Annotated[
        float, typer.Option(min=0, max=0.5, help="The share of rows that may be answered otherwise than in training.")
    ] = 0.02,
    as_json: AsJson = False,
) -> None:
    """Ask a running gateway held-out rows of a release. Exits with 1 unless it answers as in training.

    And unless the adapter changes something: some rows are asked of the base too, under the same policy. Takes a key
    that may export the release, with the rights `base` and `numbers`, as an admin's has them.
    """
    from postil.registry.training.dataset import load

    ref = parse_release(release)
    read = load(data)
    found = verified(ref, read, Plan(rows, seed, at_once, most_different))
    if as_json:
        print_json_text(found.model_dump_json(indent=2))
    else:
        show_verification(found)
    raise typer.Exit(0 if found.verified else 1)
