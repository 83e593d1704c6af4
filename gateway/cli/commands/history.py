"""``postil log``."""

from __future__ import annotations

from typing import Annotated

import typer

from postil.gateway.cli.api_client import call_list, connected
from postil.gateway.cli.output import (
    DEFAULT_LIMIT,
    All,
    AsJson,
    Limit,
    short_time,
    show_list,
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
    show_list(found, columns, rows, empty="nothing has been done yet", as_json=as_json)
