"""``postil domains list | require-signature | set-default``, and what ``incident`` has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from postil.gateway.cli.api_client import CommandError, call, call_list, connected
from postil.gateway.cli.commands.incident import freeze, sources, unfreeze
from postil.gateway.cli.commands.releases import Reason
from postil.gateway.cli.output import (
    DEFAULT_LIMIT,
    All,
    AsJson,
    Limit,
    console,
    print_json,
    say,
    show_list,
)
from postil.registry.names import parse_adapter


def make_cli() -> typer.Typer:
    """Return the `domains` command group."""
    cli = typer.Typer(
        help="List domains; set their signing keys, default adapters and sources; freeze them.", no_args_is_help=True
    )
    cli.command("list")(list_domains)
    cli.command("require-signature")(require_signature)
    cli.command("set-default")(set_default)
    cli.command("quota")(quota)
    for command in (sources, freeze, unfreeze):
        cli.command()(command)
    return cli


def list_domains(limit: Limit = DEFAULT_LIMIT, all_: All = False, as_json: AsJson = False) -> None:
    """List the domains: accepted signing keys, unsigned releases still served, sources, and which are frozen.

    JSON: `{"data": [...], "next": ...}`.
    """
    with connected() as client:
        found = call_list(client, "/api/v1/domains", {}, 0 if all_ else limit)
    rows = [
        (
            one["domain"],
            ", ".join(key["fingerprint"][:16] for key in one["keys"]) or "none needed",
            ", ".join(one["unsigned"]),
            _in_short(one["quotas"]),
            ", ".join(one["sources"]),
            f"frozen by {one['frozen']['actor']}: {one['frozen']['reason']}" if one["frozen"] else "",
        )
        for one in found.data
    ]
    show_list(
        found,
        ["domain", "signing keys", "unsigned", "quotas", "sources", "state"],
        rows,
        empty="there are no domains yet; publish an adapter",
        as_json=as_json,
    )


def require_signature(
    domain: Annotated[str, typer.Argument(help="The domain.")],
    key: Annotated[
        list[Path] | None, typer.Option(help="A public key (PEM); repeat the option for several keys.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Require no signatures any more.")] = False,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Require signatures: the domain then accepts only adapters signed with one of these keys.

    The keys replace any earlier ones. Releases that are served now stay served. Those without a valid signature are
    listed here: you cannot promote or load them again until you publish the same adapter with a signature.
    """
    if none == bool(key):
        raise CommandError("give either --key PUBLIC.pem (once or more) or --none")
    body = {"keys": [_read(path) for path in key or []], "reason": reason}
    with connected() as client:
        made = call(client, "PUT", f"/api/v1/domains/{domain}/signing-keys", json=body)
    if as_json:
        print_json(made)
    else:
        _say(made)


def set_default(
    domain: Annotated[str, typer.Argument(help="The domain.")],
    adapter: Annotated[str, typer.Argument(help="One of its adapters, such as triage or healthcare/triage.")],
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Set the adapter that answers when a request names only the domain."""
    name = parse_adapter(adapter if "/" in adapter else f"{domain}/{adapter}")
    if name.domain != domain:
        raise CommandError(f"{name} is not an adapter of {domain}; name one that is")
    with connected() as client:
        body = {"adapter": name.adapter, "reason": reason}
        state = call(client, "PUT", f"/api/v1/domains/{domain}/default", json=body)
    say(state, f"{name} answers for {domain} from now on", as_json)


def quota(
    domain: Annotated[str, typer.Argument(help="The domain.")],
    releases: Annotated[int | None, typer.Option(help="Maximum number of releases.")] = None,
    artifact_mib: Annotated[int | None, typer.Option(help="Maximum size of all adapters, in MiB.")] = None,
    review_days: Annotated[int | None, typer.Option(help="Days to keep reviews at most.")] = None,
    open_reviews: Annotated[int | None, typer.Option(help="Maximum number of open reviews.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take the gateway's figures for those not given.")] = False,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Set how much a domain may keep, or show it. Figures that you leave out stay as they are."""
    wanted = {
        "releases": releases,
        "artifact_mib": artifact_mib,
        "review_days": review_days,
        "open_reviews": open_reviews,
    }
    given = {key: value for key, value in wanted.items() if value is not None}
    route = f"/api/v1/domains/{domain}/quotas"
    with connected() as client:
        found = call(client, "GET", route)
        if given or clear:
            own = {} if clear else {key: found[key] for key in found["own"]}
            found = call(client, "PUT", route, json={**own, **given, "reason": reason})
    say(found, f"{domain}: {_in_short(found)}", as_json)


def _in_short(quotas: dict[str, Any]) -> str:
    """Return quotas as one line."""
    return (
        f"{quotas['releases']} releases, {quotas['artifact_mib']} MiB, {quotas['open_reviews']} open reviews kept"
        f" {quotas['review_days']} days"
    )


def _read(path: Path) -> str:
    # Imported here because it is slow. The file is checked before anything is sent: a private key stays on this
    # machine.
    from postil.registry.signing.bundles import read_public_key

    try:
        return read_public_key(path.read_text(encoding="utf-8")).pem
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"the key {path} cannot be read: {error}") from error


def _say(made: dict[str, Any]) -> None:
    if not made["keys"]:
        console().print(f"{made['domain']} takes adapters without a signature")
        return
    keys = ", ".join(key["fingerprint"][:16] for key in made["keys"])
    console().print(f"{made['domain']} takes and loads only adapters signed with {keys}")
    if made["unsigned"]:
        console().print(
            f"not signed with these keys, so they cannot be loaded again: {', '.join(made['unsigned'])}"
            " (publish the same folders with --sign)"
        )
