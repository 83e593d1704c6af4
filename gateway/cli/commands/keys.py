"""``postil keys list | add | rotate | revoke``."""

from __future__ import annotations

import re
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

Which = Annotated[str, typer.Argument(help="The key's id, prefix (postil_<id>) or full text; only the id is sent.")]
Expires = Annotated[
    float | None, typer.Option("--expires", parser=span, metavar="SPAN", help="How long the key is valid, such as 90d.")
]
_ID = re.compile("[0-9a-f]{12}")
_ROLES = "tenant (calls models), publisher or reviewer (of given domains), viewer, metrics (reads /metrics), admin."


def make_cli() -> typer.Typer:
    """Return the `keys` command group."""
    cli = typer.Typer(help="Manage keys of tenants, people and machines.", no_args_is_help=True)
    cli.command("list")(list_keys)
    for command in (add, rotate, revoke):
        cli.command()(command)
    return cli


def list_keys(
    owner: Annotated[str | None, typer.Option(help="Only keys of this tenant, person or machine.")] = None,
    any_state: Annotated[bool, typer.Option("--any-state", help="Include expired and revoked keys.")] = False,
    limit: Limit = DEFAULT_LIMIT,
    all_: All = False,
    as_json: AsJson = False,
) -> None:
    """List the keys; only the start of each is shown. JSON: `{"data": [...], "next": ...}`."""
    params = {} if owner is None else {"owner": owner}
    with connected() as client:
        found = call_list(
            client, "/api/v1/keys", params, 0 if all_ else limit, lambda key: any_state or key["state"] == "in force"
        )
    rows = [
        (
            key["id"],
            key["prefix"] + "...",
            key["owner"],
            key["role"],
            ", ".join(key["domains"]),
            key["state"],
            short_time(key["created"]),
            short_time(key["expires"]),
            key["note"],
        )
        for key in found.data
    ]
    show_list(
        found,
        ["id", "begins", "owner", "role", "domains", "state", "created (UTC)", "expires (UTC)", "note"],
        rows,
        empty="there are no such keys; add one with `postil keys add OWNER`, or a tenant with `postil tenants add`",
        as_json=as_json,
    )


def add(
    owner: Annotated[str, typer.Argument(help="The owner: a tenant, or for other roles a person or a machine.")],
    role: Annotated[str, typer.Option(help=_ROLES)] = "tenant",
    domain: Annotated[
        list[str] | None,
        typer.Option(help="A domain of a publisher or reviewer; repeat the option for several domains."),
    ] = None,
    expires: Expires = None,
    note: Annotated[str, typer.Option(help="What the key is for; stored with it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Add a key and print it once; only its hash is stored."""
    body = {"owner": owner, "role": role, "domains": domain or [], "expires_in": expires, "note": note}
    with connected() as client:
        _show_new(call(client, "POST", "/api/v1/keys", json=body), as_json)


def rotate(
    which: Which,
    overlap: Annotated[
        float, typer.Option(parser=span, metavar="SPAN", help="How long the old key stays valid, such as 24h or 0s.")
    ] = "24h",  # type: ignore[assignment]  # The parser reads the default too.
    expires: Expires = None,
    as_json: AsJson = False,
) -> None:
    """Replace a key and print the new one. The old key stays valid for a while, so that clients can switch.

    A key can be replaced only once; after that, rotate its replacement.
    """
    with connected() as client:
        body = {"overlap": overlap, "expires_in": expires}
        _show_new(call(client, "POST", f"/api/v1/keys/{_id(which)}/rotate", json=body), as_json)


def revoke(
    which: Which,
    reason: Annotated[str, typer.Option("--reason", help="Reason, stored in the event log.")] = "",
    as_json: AsJson = False,
) -> None:
    """Revoke a key at once, on every gateway."""
    with connected() as client:
        key = call(client, "DELETE", f"/api/v1/keys/{_id(which)}", params={"reason": reason})
    say(key, f"revoked {key['id']} of {key['owner']}", as_json)


def _show_new(key: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(key)
        return
    until = f", valid until {short_time(key['expires'])} UTC" if key["expires"] else ""
    console().print(f"added {key['id']}, a {key['role']}'s key of {key['owner']}{until}")
    if old := key.get("replaces"):
        console().print(f"{old['id']} stays valid until {short_time(old['expires'])} UTC")
    console().print(f"the key, shown only once:\n{key['key']}")


def _id(which: str) -> str:
    """Return the id alone: proxies log URLs, so a pasted secret must not be in one."""
    key = which.strip()
    found = _id_of_old(key) if key.startswith("psk-") else key.removeprefix("postil_").partition("_")[0]
    if not _ID.fullmatch(found):
        raise CommandError("that is neither a key nor the id of one, and was not sent; see `postil keys list`")
    return found


def _id_of_old(key: str) -> str:
    # Imported here because it loads the database library, which few commands need.
    from postil.registry.accounts.keys import id_of_old

    return id_of_old(key)
