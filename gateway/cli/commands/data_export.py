"""``postil data export``: what people decided, as training data. Slow modules are imported where they are used."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from postil.gateway.cli.api_client import call, connected
from postil.gateway.cli.output import complaints, console, print_json_text
from postil.registry.names import parse_adapter

Kind = Literal["instruction", "messages", "dpo", "kto"]


def export(
    adapter: Annotated[str, typer.Option(help="The adapter: domain/adapter.")],
    since: Annotated[str | None, typer.Option(help="Only decisions since this time (UTC), such as 2026-11-01.")] = None,
    out: Annotated[Path | None, typer.Option(help="Output file; default: standard output.")] = None,
    kind: Annotated[
        Kind,
        typer.Option(help="Form of the rows: what `postil train` reads, whole conversations, or rows for DPO or KTO."),
    ] = "instruction",
    held_out: Annotated[
        list[Path] | None, typer.Option(help="Held-out file, whose rows and those near to them are refused.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of an earlier export.")] = False,
) -> None:
    """Export decided reviews as training data: by default as labelled examples that `postil train` reads."""
    from postil.registry.training.data.writing import check_free

    if out is not None:
        check_free(out, overwrite)
    params = {"kind": kind} | ({} if since is None else {"since": since})
    path = f"/api/v1/adapters/{parse_adapter(adapter)}/examples"
    with connected() as client:
        found = call(client, "GET", path, params=params)["data"]
    rows = _apart(found, held_out or [])
    refused = f"; {len(found) - len(rows)} refused, because they are near to held-out rows" if held_out else ""
    _write(rows, out, refused)


def _apart(rows: Sequence[Mapping[str, Any]], held_out: Sequence[Path]) -> Sequence[Mapping[str, Any]]:
    if not held_out:
        return rows
    from postil.registry.training.data.held_out import apart_from

    return apart_from(rows, held_out)


def _write(rows: Sequence[Mapping[str, Any]], out: Path | None, refused: str) -> None:
    from postil.registry.training.data.writing import json_lines, write_text

    counted = "1 example" if len(rows) == 1 else f"{len(rows)} examples"
    if out is not None:
        write_text(out, json_lines(rows))
        console().print(f"{counted} in {out}{refused}")
        return
    for row in rows:
        print_json_text(json.dumps(row))
    if refused:
        complaints().print(f"{counted}{refused}", soft_wrap=True)
