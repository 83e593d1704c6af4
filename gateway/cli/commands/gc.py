"""``postil gc``: delete the files of releases that nothing can serve any more."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.filesize import decimal

from postil.gateway.cli.api_client import call, connected
from postil.gateway.cli.output import AsJson, console, print_json, print_table


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be deleted.")] = False,
    keep: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Number of newest releases to keep per adapter; default: the gateway's POSTIL_GC_KEEP.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Delete the files of releases that are retired or were never live, unless pinned, tried out or recent.

    A release on a channel counts as tried out. The releases stay in the history; publish the same files again to serve
    one. Leftovers of interrupted publishes are deleted too.
    """
    with connected() as client:
        report = call(
            client, "POST", "/api/v1/gc", json={"dry_run": dry_run} | ({} if keep is None else {"keep": keep})
        )
    if as_json:
        print_json(report)
    else:
        _show(report)


def _show(report: dict[str, Any]) -> None:
    rows = [
        (", ".join(row["releases"]) or "none", row["artifact"][:19], row["reason"], decimal(row["bytes"]))
        for row in report["garbage"]
    ]
    print_table(["release", "artifact", "reason", "size"], rows, empty="there is nothing to collect")
    if rows:
        would = "would be freed; nothing was deleted" if report["dry_run"] else "freed"
        console().print(f"\n{_count(rows)}, {decimal(report['bytes'])} {would}")


def _count(rows: list[Any]) -> str:
    return "1 artifact" if len(rows) == 1 else f"{len(rows)} artifacts"
