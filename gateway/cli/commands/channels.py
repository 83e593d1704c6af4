"""``postil canary | shadow | pin | unpin | agreement | evidence``: try releases out, and pin tenants to releases."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from postil.gateway.cli.api_client import CommandError, call, connected
from postil.gateway.cli.commands.canary_steps import CONTINUE, HOLD, NEXT, begin_steps, change_step
from postil.gateway.cli.commands.releases import Reason
from postil.gateway.cli.output import AsJson, print_json, print_table, say
from postil.registry.names import AdapterName, parse_adapter, parse_release

What = Annotated[str, typer.Argument(help="domain/adapter@number; with --end, domain/adapter.")]
End = Annotated[bool, typer.Option("--end", help="End the canary or shadow.")]
TenantName = Annotated[str, typer.Argument(help="The tenant's name.")]


def canary(
    what: What,
    weight: Annotated[float | None, typer.Option(help="Percentage of requests that it answers; default: 10.")] = None,
    steps: Annotated[str | None, typer.Option(help="Rising percentages, as 5,25,50: the next by evidence.")] = None,
    hold: Annotated[bool, typer.Option("--hold", help="Stay at this step; with --steps, each next by hand.")] = False,
    next_: Annotated[bool, typer.Option("--next", help="Make the next step now.")] = False,
    go_on: Annotated[bool, typer.Option("--continue", help="No longer hold: the next step by evidence.")] = False,
    end: End = False,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Send a share of the requests to a release, always from the same users. A worse one is rolled back."""
    _check_one_act(weight=weight is not None, steps=steps is not None or hold, next_=next_, go_on=go_on, end=end)
    if steps is not None:
        begin_steps(what, steps, reason, as_json, hold=hold)
    elif hold or next_ or go_on:
        change_step(what, HOLD if hold else NEXT if next_ else CONTINUE, reason, as_json)
    else:
        _set("canary", what, 10.0 if weight is None else weight, end, reason, as_json)


def shadow(
    what: What,
    weight: Annotated[float, typer.Option(help="Percentage of requests that are copied to it.")] = 100.0,
    end: End = False,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Send copies of requests to a release; clients never see its answers. Compare with `postil agreement`."""
    _set("shadow", what, weight, end, reason, as_json)


def pin(
    tenant: TenantName,
    release: Annotated[str, typer.Argument(help="The release: domain/adapter@number.")],
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Pin a tenant to one release, whichever release is live."""
    ref = parse_release(release)
    with connected() as client:
        state = call(
            client, "PUT", f"/api/v1/adapters/{ref.name}/pins/{tenant}", json={"release": ref.number, "reason": reason}
        )
    say(state, f"{tenant} gets {ref} from now on", as_json)


def unpin(
    tenant: TenantName,
    adapter: Annotated[str, typer.Argument(help="The adapter: domain/adapter.")],
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Remove a tenant's pin: it gets the live release again."""
    name = parse_adapter(adapter)
    with connected() as client:
        state = call(client, "DELETE", f"/api/v1/adapters/{name}/pins/{tenant}", params={"reason": reason})
    say(state, f"{tenant} gets what is live of {name}", as_json)


def agreement(
    adapter: Annotated[str, typer.Argument(help="The adapter: domain/adapter.")], as_json: AsJson = False
) -> None:
    """Show how often each shadow gave the same answer as the release that served the request."""
    with connected() as client:
        found = call(client, "GET", f"/api/v1/adapters/{parse_adapter(adapter)}/agreement")
    if as_json:
        print_json(found)
        return
    table = [
        (
            row["shadow"],
            row["answered"],
            row["compared"],
            f"{row['agreed'] / row['compared']:.1%}" if row["compared"] else "",
            row["failed"],
            row["skipped"],
        )
        for row in found["data"]
    ]
    print_table(
        ["shadow", "baseline", "compared", "agreed", "failed", "skipped"],
        table,
        empty="no shadow has been compared yet; begin with `postil shadow domain/adapter@number`",
    )


def evidence(
    release: Annotated[str, typer.Argument(help="The release: domain/adapter@number.")], as_json: AsJson = False
) -> None:
    """Show what requests have shown of a release, and how many tenants are behind that."""
    ref = parse_release(release)
    with connected() as client:
        found = call(client, "GET", f"/api/v1/adapters/{ref.name}/releases/{ref.number}/evidence")
    if as_json:
        print_json(found)
        return
    columns = ("signal", "bad", "seen", "tenants_affected", "tenants")
    table = [tuple(row[column] for column in columns) for row in found["signals"]]
    print_table(["signal", "bad", "seen", "tenants affected", "tenants"], table, empty="")


def _check_one_act(**asked: bool) -> None:
    if sum(asked.values()) > 1:
        raise CommandError("give one of --weight, --steps (perhaps with --hold), --hold, --next, --continue and --end")


def _set(which: str, what: str, weight: float, end: bool, reason: str, as_json: bool) -> None:
    if end:
        name = parse_adapter(what.partition("@")[0])
        with connected() as client:
            state = call(client, "DELETE", _path(name, which), params={"reason": reason})
        say(state, f"{name} has no {which} any more", as_json)
        return
    ref = parse_release(what)
    name = AdapterName(ref.domain, ref.adapter)
    body: dict[str, Any] = {"release": ref.number, "weight": weight, "reason": reason}
    with connected() as client:
        state = call(client, "PUT", _path(name, which), json=body)
    part = "answers" if which == "canary" else "gets a copy of"
    say(state, f"{ref} is the {which}: it {part} {weight:g} % of the requests", as_json)


def _path(name: AdapterName, which: str) -> str:
    return f"/api/v1/adapters/{name}/channels/{which}"
