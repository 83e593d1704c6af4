"""``postil audit verify | head | denied``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from postil.gateway.cli.api_client import CommandError, call, call_list, connected
from postil.gateway.cli.output import (
    DEFAULT_LIMIT,
    All,
    AsJson,
    Limit,
    console,
    print_json,
    print_json_text,
    short_time,
    show_list,
)

_COMPARED = (
    "the releases, channels, pins, tenants, keys and webhooks, and the domains' defaults, freezes, sources, quotas and"
    " signing keys"
)


def make_cli() -> typer.Typer:
    """Return the `audit` command group."""
    cli = typer.Typer(help="Verify the event log, and see who was denied.", no_args_is_help=True)
    for command in (verify, head, denied):
        cli.command()(command)
    return cli


def verify(
    head: Annotated[
        Path | None,
        typer.Option(help="A file with a head from `postil audit head`, which the log must still have."),
    ] = None,
    key: Annotated[Path | None, typer.Option(help="The public key (PEM) that the head must be signed with.")] = None,
    as_json: AsJson = False,
) -> None:
    """Verify the log: no event was edited, deleted or moved, and the releases, accounts and domains are as they say.

    Of a webhook's URL the log has the host; reviews, usage and the limits and rights of tenants are not compared.
    Events that are missing at the end are noticed by `--head` alone. Exits with 1 if anything is wrong.
    """
    if key is not None and head is None:
        raise CommandError("--key says which key a head was signed with; give the head's file with --head")
    params = {} if head is None else _read_head(head, key)
    with connected() as client:
        report = call(client, "GET", "/api/v1/audit", params=params)
    if as_json:
        print_json(report)
    _complain(report, params)
    if not as_json:
        kept = f"; event {params['sequence']} is the one that was kept" if params else ""
        console().print(
            f"{report['events']} events, every one follows from the one before it, and they agree with"
            f" {_COMPARED}{kept}"
        )


def head(
    sign: Annotated[
        Path | None,
        typer.Option(help="Sign it with this private key (PEM, elliptic curve), kept elsewhere."),
    ] = None,
) -> None:
    """Print the end of the log (JSON): keep it where nobody who can write to the database can."""
    with connected() as client:
        found = call(client, "GET", "/api/v1/audit/head")
    if sign is not None:
        from postil.registry.signing.heads import sign_head

        found["signature"] = sign_head(found["sequence"], found["hash"], sign)
    print_json_text(json.dumps(found))


def denied(limit: Limit = DEFAULT_LIMIT, all_: All = False, as_json: AsJson = False) -> None:
    """Show denied attempts on both APIs, newest first: whose key, from where, which route, how often.

    JSON: `{"data": [...], "next": ...}`.
    """
    with connected() as client:
        found = call_list(client, "/api/v1/denied-attempts", {}, 0 if all_ else limit)
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
    show_list(found, columns, rows, empty="no attempt was denied", as_json=as_json)


def _complain(report: dict[str, Any], asked: dict[str, Any]) -> None:
    """Raise CommandError with what is wrong, if anything is."""
    wrong = []
    if report["first_break"] is not None:
        wrong.append(
            f"the log was tampered with: event {report['first_break']} does not follow from the ones before it"
        )
    if report["has_head"] is False:
        wrong.append(f"the log has no event {asked['sequence']} with the hash that was kept: it was cut or rewritten")
    wrong += report["differences"]
    if wrong:
        raise CommandError("; ".join(wrong) + "; compare it with a backup")


def _read_head(path: Path, key: Path | None) -> dict[str, Any]:
    """Read a kept head, and check its signature. Raises CommandError or SignatureError."""
    try:
        found = json.loads(path.read_bytes())
        sequence, kept = int(found["sequence"]), str(found["hash"])
        public = None if key is None else key.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{path} is no head; `postil audit head` prints one") from error
    if public is not None:
        from postil.registry.signing.heads import check_head

        check_head(sequence, kept, found.get("signature"), public)
    return {"sequence": sequence, "head": kept}
