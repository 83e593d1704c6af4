"""``postil log`` and ``postil audit verify``."""

from __future__ import annotations

from typing import Annotated

import typer

from postil.gateway.cli.api_client import CommandError, call, connected
from postil.gateway.cli.output import AsJson, console, print_json, print_table, short_time
from postil.registry.names import parse_adapter


def log(
    adapter: Annotated[str | None, typer.Argument(help="domain/adapter; without it, everything.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what was done: by whom, when, why, from which release to which."""
    params = {} if adapter is None else {"adapter": str(parse_adapter(adapter))}
    with connected() as client:
        events = call(client, "GET", "/api/v1/events", params=params)
    if as_json:
        print_json(events)
        return
    rows = [
        (
            event["sequence"],
            short_time(event["at"]),
            event["action"],
            event["subject"],
            " -> ".join(str(number) for number in (event["from"], event["to"]) if number is not None),
            event["by"],
            event["reason"],
        )
        for event in events
    ]
    print_table(["#", "at (UTC)", "act", "what", "release", "by", "why"], rows, empty="nothing has been done yet")


def make_audit_cli() -> typer.Typer:
    """The group of commands about the log's soundness."""
    cli = typer.Typer(help="Whether the log can be trusted.", no_args_is_help=True)
    cli.callback()(lambda: None)
    cli.command()(verify)
    return cli


def verify(as_json: AsJson = False) -> None:
    """Check that no row of the log was edited, deleted or put elsewhere; exit status 1 if one was."""
    with connected() as client:
        report = call(client, "GET", "/api/v1/audit")
    if as_json:
        print_json(report)
    if report["first_break"] is not None:
        raise CommandError(
            f"the log was tampered with: event {report['first_break']} does not follow from the ones before it;"
            " compare it with a backup"
        )
    if not as_json:
        console().print(f"{report['events']} events, and every one follows from the one before it")
