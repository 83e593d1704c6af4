"""``postil tenants list | add | remove | forget | limit | rights``."""

from __future__ import annotations

from typing import Annotated

import typer

from postil.gateway.cli.api_client import call, call_list, connected
from postil.gateway.cli.commands.incident import admit, refuse
from postil.gateway.cli.commands.keys import Expires
from postil.gateway.cli.commands.usage import in_short
from postil.gateway.cli.commands.usage import limit as limit_tenant
from postil.gateway.cli.output import (
    DEFAULT_LIMIT,
    All,
    AsJson,
    Limit,
    say,
    short_time,
    show_list,
)
from postil.registry.accounts.right import Right

Rights = Annotated[
    list[Right] | None, typer.Option(help="A right that it has; repeat the option for several. Default: base.")
]


def make_cli() -> typer.Typer:
    """Return the `tenants` command group."""
    cli = typer.Typer(help="Manage tenants, their domains, keys, rights and limits.", no_args_is_help=True)
    cli.command("list")(list_tenants)
    cli.command("add")(add)
    cli.command("remove")(remove)
    cli.command("forget")(forget)
    cli.command("limit")(limit_tenant)
    cli.command("rights")(rights)
    cli.command()(refuse)
    cli.command()(admit)
    return cli


def list_tenants(limit: Limit = DEFAULT_LIMIT, all_: All = False, as_json: AsJson = False) -> None:
    """List the tenants; only the start of each key is shown. JSON: `{"data": [...], "next": ...}`."""
    with connected() as client:
        found = call_list(client, "/api/v1/tenants", {}, 0 if all_ else limit)
    rows = [
        (
            tenant["name"],
            ", ".join(tenant["domains"]),
            tenant["default_domain"],
            ", ".join(key["prefix"] + "..." for key in tenant["keys"]),
            ", ".join(tenant["rights"]),
            in_short(tenant["limits"]),
            short_time(tenant["created"]),
            f"refused: {tenant['refused']['reason']}" if tenant["refused"] else "",
        )
        for tenant in found.data
    ]
    show_list(
        found,
        ["tenant", "domains", "default", "keys", "rights", "limits", "created (UTC)", "state"],
        rows,
        empty="there are no tenants yet; add one with `postil tenants add NAME --domain healthcare`",
        as_json=as_json,
    )


def add(
    name: Annotated[str, typer.Argument(help="The tenant's name.")],
    domain: Annotated[list[str], typer.Option(help="A domain that it may use; repeat the option for several domains.")],
    default: Annotated[str | None, typer.Option(help="The domain for requests that name no model.")] = None,
    right: Rights = None,
    expires: Expires = None,
    as_json: AsJson = False,
) -> None:
    """Add a tenant and print its first key once; only its hash is stored. `postil keys` adds more keys."""
    body = {"name": name, "domains": domain, "default_domain": default, "expires_in": expires}
    body |= {} if right is None else {"rights": [each.value for each in right]}
    with connected() as client:
        tenant = call(client, "POST", "/api/v1/tenants", json=body)
    say(tenant, f"added {tenant['name']}; its key, shown only once:\n{tenant['key']}", as_json)


def forget(
    name: Annotated[str, typer.Argument(help="The removed tenant's name.")],
    usage: Annotated[bool, typer.Option("--usage", help="Delete its usage too: sums of requests and tokens.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete all that is kept of a removed tenant: reviews, keys, evidence. The log of events keeps its name."""
    with connected() as client:
        done = call(client, "POST", f"/api/v1/tenants/{name}/forget", json={"usage": usage})
    say(
        done,
        f"forgot {name}: " + ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in done.items()),
        as_json,
    )


def remove(name: Annotated[str, typer.Argument(help="The tenant's name.")], as_json: AsJson = False) -> None:
    """Remove a tenant: all its keys are refused at once."""
    with connected() as client:
        call(client, "DELETE", f"/api/v1/tenants/{name}")
    say({"removed": name}, f"removed {name}", as_json)


def rights(
    name: Annotated[str, typer.Argument(help="The tenant's name.")],
    add: Annotated[list[Right] | None, typer.Option(help="A right to give; repeat the option for several.")] = None,
    remove: Annotated[list[Right] | None, typer.Option(help="A right to take; repeat the option for several.")] = None,
    as_json: AsJson = False,
) -> None:
    """Give a tenant rights and take others, or show them.

    `base`: ask the base, which has no policy. `grammars`: send grammars, regular expressions and structural tags of its
    own. `numbers`: ask for releases by number.
    """
    path = f"/api/v1/tenants/{name}/rights"
    body = {"add": [each.value for each in add or []], "remove": [each.value for each in remove or []]}
    with connected() as client:
        found = call(client, "PATCH", path, json=body) if add or remove else call(client, "GET", path)
    say(found, f"{name}: {', '.join(found['rights']) or 'no rights'}", as_json)
