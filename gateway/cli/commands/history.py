"""``postil log`` and ``postil audit verify``."""

from __future__ import annotations

from typing import Annotated

import typer

from postil.gateway.cli.api_client import CommandError, call, call_list, connected
from postil.gateway.cli.output import (
    DEFAULT_LIMIT,
    All,
    AsJson,
    Limit,
    console,
    print_json,
    print_list_as_json,
    print_rest,
    print_table,
    short_time,
)
from postil.registry.names import parse_adapter


def log(
    adapter: Annotated[str | None, typer.Argument(help="domain/adapter; default: all events.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    all_: All = False,
    as_json: AsJson = False,
) -> None:
    """Show the event log, newest first: who changed what, when, why, and from which release to which.

    JSON: `{"data": [...], "next": ...}`.
    """
    params = {"newest_first": True} | ({} if adapter is None else {"adapter": str(parse_adapter(adapter))})
    with connected() as client:
        found = call_list(client, "/api/v1/events", params, 0 if all_ else limit)
    if as_json:
        print_list_as_json(found)
        return
    rows = [
        (
            event["sequence"],
            short_time(event["at"]),
            event["action"],
            event["subject"],
            " -> ".join(str(number) for number in (event["from"], event["to"]) if number is not None),
            event["actor"],
            event["reason"],
        )
        for event in found.data
    ]
    columns = ["#", "at (UTC)", "action", "what", "release", "actor", "reason"]
    print_table(columns, rows, empty="nothing has been done yet")
    print_rest(found)


def make_audit_cli() -> typer.Typer:
    """Return the `audit` command group."""
    cli = typer.Typer(help="Verify the event log.", no_args_is_help=True)
    for command in (verify, denied):
        cli.command()(command)
    return cli


def denied(limit: Limit = DEFAULT_LIMIT, all_: All = False, as_json: AsJson = False) -> None:
    """Show denied attempts on both APIs, newest first: whose key, from where, which route, how often.

    JSON: `{"data": [...], "next": ...}`.
    """
    with connected() as client:
        found = call_list(client, "/api/v1/denied-attempts", {}, 0 if all_ else limit)
    if as_json:
        print_list_as_json(found)
        return
    rows = [
        (
            short_time(row["first_at"]),
            short_time(row["last_at"]),
            row["actor"],
            row["key"],
            row["address"],
            row["route"],
            row["status"],
            row["count"],
        )
        for row in found.data
    ]
    columns = ["first (UTC)", "last (UTC)", "actor", "key", "address", "route", "status", "times"]
    print_table(columns, rows, empty="no attempt was denied")
    print_rest(found)


def verify(as_json: AsJson = False) -> None:
    """Verify that no event was edited, deleted or moved; exits with 1 if one was."""
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
