"""``postil webhooks list | add | remove | rotate | test``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from postil.gateway.cli.api_client import CommandError, call, call_list, connected
from postil.gateway.cli.durations import span
from postil.gateway.cli.output import (
    DEFAULT_LIMIT,
    All,
    AsJson,
    Limit,
    console,
    print_json,
    say,
    short_time,
    show_list,
)
from postil.registry.names import parse_domain

Name = Annotated[str, typer.Argument(help="The webhook's name, as policies write it.")]


def make_cli() -> typer.Typer:
    """Return the `webhooks` command group."""
    cli = typer.Typer(help="Manage webhooks, which policies name for decisions of reviews.", no_args_is_help=True)
    cli.command("list")(list_webhooks)
    for command in (add, remove, rotate):
        cli.command()(command)
    cli.command("test")(send_test)
    return cli


def list_webhooks(limit: Limit = DEFAULT_LIMIT, all_: All = False, as_json: AsJson = False) -> None:
    """List the webhooks; a publisher sees the names for its domains. JSON: `{"data": [...], "next": ...}`."""
    with connected() as client:
        found = call_list(client, "/api/v1/webhooks", {}, 0 if all_ else limit)
    rows = [
        (
            row["name"],
            ", ".join(row["domains"]),
            row["url"],
            "private addresses too" if row["allow_private"] else "",
            short_time(row["overlap_until"]),
        )
        for row in found.data
    ]
    columns = ["name", "domains", "URL", "allowed", "old secret until (UTC)"]
    empty = "there are no webhooks; add one with `postil webhooks add NAME URL --domain DOMAIN`"
    show_list(found, columns, rows, empty=empty, as_json=as_json)


def add(
    name: Name,
    url: Annotated[str, typer.Argument(help="Where messages are posted: https://host/path.")],
    domain: Annotated[
        list[str], typer.Option(help="A domain whose policies may name it; repeat the option for several domains.")
    ],
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Allow http, and addresses that are not of the public internet.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add a webhook and print its secret once. Messages are signed as Standard Webhooks has it."""
    body = {"name": name, "url": url, "domains": domain, "allow_private": allow_private}
    with connected() as client:
        made = call(client, "POST", "/api/v1/webhooks", json=body)
    _show_new(made, f"added {made['name']}; a policy names it as reviews: {{webhook: {made['name']}}}", as_json)


def remove(name: Name, as_json: AsJson = False) -> None:
    """Remove a webhook; decisions that wait for it stay undelivered."""
    with connected() as client:
        call(client, "DELETE", f"/api/v1/webhooks/{parse_domain(name)}")
    say({"removed": name}, f"removed {name}", as_json)


def rotate(
    name: Name,
    overlap: Annotated[
        float, typer.Option(parser=span, metavar="SPAN", help="How long the old secret signs too, such as 24h or 0s.")
    ] = "24h",  # type: ignore[assignment]  # The parser reads the default too.
    as_json: AsJson = False,
) -> None:
    """Replace a webhook's secret and print the new one. For a while messages have a signature of each."""
    with connected() as client:
        made = call(client, "POST", f"/api/v1/webhooks/{parse_domain(name)}/rotate", json={"overlap": overlap})
    _show_new(made, f"{made['name']} signs with both until {short_time(made['overlap_until'])} UTC", as_json)


def send_test(name: Name, as_json: AsJson = False) -> None:
    """Post a test message; exits with 1 if it is not accepted."""
    with connected() as client:
        result = call(client, "POST", f"/api/v1/webhooks/{parse_domain(name)}/test")
    if as_json:
        print_json(result)
    if not result["accepted"]:
        raise CommandError(f"{name} did not accept it: {result['problem'] or 'it answered ' + str(result['status'])}")
    if not as_json:
        console().print(f"{name} accepted it with status {result['status']}")


def _show_new(made: dict[str, Any], sentence: str, as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    console().print(sentence)
    console().print(f"the secret, shown only once:\n{made['secret']}")
